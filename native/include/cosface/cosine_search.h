/* Cosine search: the nearest rows of a gallery, and how many pairs lie above a threshold. The C ABI.
 *
 *   cos_ij = <q_i, g_j> / (|q_i| |g_j|), 0 where a row is below COSFACE_ZERO_NORM, clamped to [-1, 1]
 *
 * in double precision. Ranks, ties and counts are exactly those of these doubles, the same on every
 * instruction set and any number of threads; the Q x G cosines are never stored. Method and proof:
 * docs/math.md, "Search".
 *
 * Q queries, G gallery rows, D features. All matrices are row-major and dense.
 */
#ifndef COSFACE_COSINE_SEARCH_H
#define COSFACE_COSINE_SEARCH_H

#include <stdint.h>

#include "cosface/margin_softmax.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cosface_search_problem {
  int64_t queries;           /* Q in [0, 2^31) */
  int64_t gallery;           /* G in [1, 2^31) */
  int64_t dim;               /* D in [1, 2^24] */
  const float* query_rows;   /* [Q, D] */
  const float* gallery_rows; /* [G, D]; NULL: the pairs are those of two queries, each i < j once, and G is not read */
  const int32_t* query_labels;   /* [Q] identities, any values, or NULL */
  const int32_t* gallery_labels; /* [G]; where gallery_rows is given, both labels or neither */
} cosface_search_problem;

typedef struct cosface_search_options {
  cosface_isa isa;         /* AUTO: the best this processor has, capped by COSFACE_ISA */
  int32_t threads;         /* 0: COSFACE_THREADS, else one per processor. Results do not depend on it */
  int64_t workspace_bytes; /* budget beyond inputs and outputs; below the least plan's need it is exceeded
                              by no more than that plan takes */
  int32_t print;           /* 1: the plan goes to stderr; COSFACE_DEBUG=plan */
} cosface_search_options;

/* The choices of one call; all but `threads` follow from shape and budget alone. */
typedef struct cosface_search_plan {
  cosface_isa isa;
  int32_t threads;         /* workers that will run */
  int64_t query_block;     /* queries between two passes over the gallery */
  int64_t query_group;     /* queries of one task */
  int64_t gallery_block;   /* gallery rows in cache at a time, and of one task */
  int64_t workspace_bytes; /* exactly what is allocated */
} cosface_search_plan;

/* Pairs by kind: genuine of one label, impostor of two. Without labels every pair is an impostor. */
typedef struct cosface_pair_counts {
  int64_t* genuine;       /* [T] or NULL: genuine pairs with cos >= thresholds[t] */
  int64_t* impostor;      /* [T] */
  int64_t genuine_pairs;  /* out: all of them */
  int64_t impostor_pairs; /* out */
} cosface_pair_counts;

/* isa auto, threads 0, 64 MiB. */
void cosface_search_default_options(cosface_search_options* options);

/* Puts what COSFACE_ISA, COSFACE_THREADS and COSFACE_DEBUG say in place of AUTO, of 0 and of print. A call does that
 * itself where isa is AUTO or threads 0; one that runs beside threads that change the environment needs it done before.
 */
cosface_status cosface_search_read_environment(cosface_search_options* options, cosface_error* error);

/* All three: thread-safe; on an error the outputs are unspecified and *error (unless NULL) is filled; *plan
 * (unless NULL) is filled before the work begins. */

/* indices, scores [Q, k]: of each query the k gallery rows of largest cosine, falling, equal ones by rising
 * index; scores are the double cosines rounded to float. k in [1, G]; gallery_rows is required. Labels are not
 * read. Memory for each worker: 16 k bytes a query of a block. */
cosface_status cosface_top_k(const cosface_search_problem* problem, const cosface_search_options* options, int64_t k,
                             int32_t* indices, float* scores, cosface_search_plan* plan, cosface_error* error);

/* How many pairs have cos >= each of the T >= 1 thresholds, which may be in any order and infinite, not NaN. */
cosface_status cosface_count_above(const cosface_search_problem* problem, const cosface_search_options* options,
                                   const double* thresholds, int64_t threshold_count, cosface_pair_counts* counts,
                                   cosface_search_plan* plan, cosface_error* error);

/* thresholds [F]: for each of the F >= 1 false accept rates in [0, 1] the least double t for which the share of
 * impostor pairs with cos >= t is at most the rate. Of P impostor pairs and m = floor(rate P) that is the double after
 * the (m + 1)-th largest impostor cosine; -1, which all reach, where m = P. *impostor_pairs is P, which must not be 0.
 * Memory for each worker: 8 bytes for each of the m + 1 cosines of the largest rate; before the workspace, and not
 * beside it, 4 (Q + G) bytes for sorted labels. */
cosface_status cosface_impostor_thresholds(const cosface_search_problem* problem, const cosface_search_options* options,
                                           const double* false_accept_rates, int64_t rate_count, double* thresholds,
                                           int64_t* impostor_pairs, cosface_search_plan* plan, cosface_error* error);

#ifdef __cplusplus
}
#endif

#endif /* COSFACE_COSINE_SEARCH_H */
