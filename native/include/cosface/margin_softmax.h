/* Margin softmax (CosFace / LMCL) and its family, every loss over classes: the C ABI.
 *
 * The one header that the CPU kernels, the CUDA kernels, the TensorFlow op and the Node addon
 * share. Plain C types only; no allocation crosses the boundary; nothing throws.
 *
 *   v_ic      = <x_i, w_c>, rows as unit vectors or as they are: normalize_embeddings, normalize_weights
 *   q_i       = the product of those norms of x_i and w_y that are not normalised away, else 1
 *   cos_iy    = v_iy / q_i,  t = acos(cos_iy)
 *   z_iy      = s q_i M(cos_iy) + b_y          M(cos) = psi(m1 t + m2) - m3, unless an option says otherwise
 *   z_ic      = s V(v_ic) + b_c                for c != y_i;  V(v) = v, unless an option says otherwise
 *   psi(a)    = (-1)^k cos(a) - 2k             k = floor(a / pi); equals cos(a) on [0, pi] and
 *                                              goes on falling, without a jump, beyond it
 *   loss_i    = weight_i * -log softmax(z_i)[y_i]
 *
 * Source: Wang et al., "CosFace", CVPR 2018, eq. (4); psi: Liu et al., "SphereFace", CVPR 2017,
 * eq. (7). Each loss of the family and its options: docs/losses.md. Derivation of the fused form: docs/math.md.
 *
 * N is `batch`, D is `dim`, C is `classes`. All matrices are row-major and dense.
 */
#ifndef COSFACE_MARGIN_SOFTMAX_H
#define COSFACE_MARGIN_SOFTMAX_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COSFACE_ABI_VERSION 4

/* A row with |row| below this is taken as the zero vector: cosine 0 with everything, gradient 0. */
#define COSFACE_ZERO_NORM 1e-12
/* d psi / d cos is evaluated with t clamped to [this, pi - this], so that sin(t) never divides by
 * zero. The clamp caps the factor at about m1 / 1e-4; the gradient itself stays bounded because
 * the tangent it multiplies has length sin(t). */
#define COSFACE_ANGLE_EPSILON 1e-4

typedef enum cosface_status {
  COSFACE_OK = 0,
  COSFACE_ERROR_SHAPE = 1,              /* a dimension is negative, too large, or a buffer is missing */
  COSFACE_ERROR_OPTION = 2,             /* an option is outside its range */
  COSFACE_ERROR_LABEL_RANGE = 3,        /* a label is neither in [0, C) nor the ignored one */
  COSFACE_ERROR_NOT_FINITE = 4,         /* NaN or Inf in an input */
  COSFACE_ERROR_MARGIN_RANGE = 5,       /* a per-sample margin is outside its range */
  COSFACE_ERROR_ENVIRONMENT = 6,        /* a COSFACE_* environment variable has an unknown value */
  COSFACE_ERROR_OUT_OF_MEMORY = 7,      /* the workspace, or memory of the GPU, could not be allocated */
  COSFACE_ERROR_UNSUPPORTED = 8,        /* this processor, build or device lacks what is asked for */
  COSFACE_ERROR_DEVICE_UNAVAILABLE = 9, /* CUDA only: no GPU that can be used, and why */
  COSFACE_ERROR_DEVICE_FAILED = 10      /* CUDA only: the driver reported an error during a call */
} cosface_status;

/* What went wrong, in words a user can act on. `message` names argument, requirement, value,
 * place and remedy; it never starts with the code (cosface_status_code gives that). */
typedef struct cosface_error {
  cosface_status status;
  char argument[32]; /* the public name of the argument: "labels", "scale", ... */
  int64_t index;     /* flat index into the argument, -1 where none applies */
  char message[480];
} cosface_error;

typedef enum cosface_reduction {
  COSFACE_REDUCTION_NONE = 0, /* gradients of sum_i loss_gradient_i * loss_i */
  COSFACE_REDUCTION_MEAN = 1, /* divides by the number of counted samples (label not ignored, weight != 0) */
  COSFACE_REDUCTION_SUM = 2
} cosface_reduction;

typedef enum cosface_gradient {
  COSFACE_GRADIENT_EXACT = 0,
  COSFACE_GRADIENT_DETACHED = 1 /* dM / d cos = 1, as in insightface and OpenSphere; curves: see cosface_curve */
} cosface_gradient;

/* Names a margin. */
typedef enum cosface_margin_term {
  COSFACE_MARGIN_M1 = 1,
  COSFACE_MARGIN_M2 = 2,
  COSFACE_MARGIN_M3 = 3
} cosface_margin_term;

/* What M does where a margin on the angle leads past pi, a = m1 t + m2. */
typedef enum cosface_fallback {
  COSFACE_FALLBACK_CONTINUOUS = 0, /* psi(a) */
  COSFACE_FALLBACK_NONE = 1,       /* cos(a), which rises again */
  COSFACE_FALLBACK_EASY = 2,       /* cos(a) where cos_iy > 0, else cos_iy */
  COSFACE_FALLBACK_HARD = 3        /* cos(a) where a <= pi, else cos_iy - m2 sin m2 */
} cosface_fallback;

/* V of hard negatives, those with cos_ic > M(cos_iy); v elsewhere. Which are hard is constant in the gradient. */
typedef enum cosface_negatives {
  COSFACE_NEGATIVES_PLAIN = 0,
  COSFACE_NEGATIVES_CURRICULAR = 1, /* v (t + v) */
  COSFACE_NEGATIVES_MV_ARC = 2,     /* (1 + t) v + t, and so MV_AM: the two differ in the target's margin alone */
  COSFACE_NEGATIVES_MV_AM = 3
} cosface_negatives;

/* What a cosine becomes before the scale. */
typedef enum cosface_curve {
  COSFACE_CURVE_COSINE = 0,
  /* M = [1 + m3 - v]+ (v - 1 + m3), V = [v + m3]+ (v - m3); DETACHED takes the [ ]+ for constants */
  COSFACE_CURVE_CIRCLE = 1,
  /* g(v) = 2 ((v + 1) / 2)^curve_exponent - 1: M = g - m3, V = g; DETACHED: g' = 1 */
  COSFACE_CURVE_POWER = 2
} cosface_curve;

typedef enum cosface_form {
  COSFACE_FORM_SOFTMAX = 0,
  /* loss_i = weight_i (positive_weight softplus(-(z_iy + b)) + negative_weight sum softplus(z_ic + s negative_margin +
     b)), b = bias_sign times the one bias */
  COSFACE_FORM_BINARY = 1
} cosface_form;

typedef enum cosface_isa {
  COSFACE_ISA_AUTO = 0,
  COSFACE_ISA_SCALAR = 1,
  COSFACE_ISA_AVX2 = 2,
  COSFACE_ISA_AVX512 = 3,
  COSFACE_ISA_AVX512_BF16 = 4, /* AVX-512 with VDPBF16PS; the same as AVX512 but for bf16 products */
  COSFACE_ISA_NEON = 5,
  COSFACE_ISA_WASM_SIMD = 6 /* of the module for browsers, which has no other */
} cosface_isa;

/* What the three matrix products multiply. They accumulate in fp32, and norms, targets, sums over
 * classes and projections are in double, whatever the precision. */
typedef enum cosface_precision {
  COSFACE_PRECISION_FP32 = 0,
  COSFACE_PRECISION_BF16_GRADIENTS = 1, /* loss as in fp32; both gradient products on bf16 operands */
  COSFACE_PRECISION_BF16 = 2            /* the cosines too */
} cosface_precision;

typedef struct cosface_margin_softmax_problem {
  int64_t batch;               /* N in [0, 2^31) */
  int64_t classes;             /* C in [1, 2^31); C K too */
  int64_t dim;                 /* D in [1, 2^24] */
  const float* embeddings;     /* x [N, D] */
  const float* weights;        /* w [C K, D]; K = sub_centers rows for each class, next to each other */
  const int32_t* labels;       /* y [N], each in [0, C) or ignore_label */
  const float* sample_weights; /* [N] or NULL for all 1; finite */
  const float* sample_m1;      /* [N] or NULL; each replaces the common margin of its name */
  const float* sample_m2;
  const float* sample_m3;
  const float* loss_gradient; /* dL / d loss_i [N] or NULL for all 1; COSFACE_REDUCTION_NONE only */
  const float* bias;          /* b [C], or [1] with the binary form; NULL for 0; finite */
  /* Class sampling (PartialFC): the softmax goes over these S rows of w alone, and no other row is read. Labels and
   * predictions stay class indices in [0, C), and every label that counts must be among the ids. Not with sub-centres
   * or a bias of each class. Source: An et al., "Killing two birds with one stone", CVPR 2022. */
  const int32_t* class_ids; /* [S], rising, each in [0, C); NULL: all classes, class_count unused */
  int64_t class_count;      /* S in [1, C] */
} cosface_margin_softmax_problem;

typedef struct cosface_margin_softmax_options {
  double scale; /* s in (0, 1e6] */
  double m1;    /* angle multiplier, (0, 16] */
  double m2;    /* angle offset in radians, [0, pi] */
  double m3;    /* cosine offset, [0, 2] */
  int32_t ignore_label;
  cosface_reduction reduction;
  cosface_gradient gradient;
  cosface_isa isa; /* AUTO: the best this processor has, capped by COSFACE_ISA */
  cosface_precision precision;
  /* Gradients may leave out at most this part of each sample's probability mass, in [0, 1); 0 leaves out
     nothing. Target classes are always kept, and the loss is exact. Bound: docs/math.md. */
  double gradient_tolerance;
  int32_t threads;         /* 0: COSFACE_THREADS, else one per processor. Results do not depend on it */
  int64_t workspace_bytes; /* budget beyond inputs and outputs; below the least plan's need it is exceeded
                              by no more than that plan takes */

  /* The rest of the family; by default all of it is off. */
  cosface_fallback fallback;
  double annealing; /* lambda in [0, 1e6]: M = (lambda cos + psi - m3) / (1 + lambda) */
  int32_t normalize_embeddings;
  int32_t normalize_weights;
  double label_smoothing;   /* in [0, 1): the part of the target that is spread over all C classes */
  double interclass_filter; /* in (-1, 1): other classes with a cosine above it do not count; 1 and above: off */
  cosface_negatives negatives;
  double negatives_t;  /* [-1, 1] with CURRICULAR, [0, 1e3] with MV_* */
  int64_t sub_centers; /* K in [1, 1024]: the nearest of a class's K rows counts, the first on a tie */
  cosface_curve curve;
  double curve_exponent; /* [1, 16], of COSFACE_CURVE_POWER */
  cosface_form form;
  double positive_weight, negative_weight; /* [0, 1e6] */
  double negative_margin;                  /* [-2, 2] */
  int32_t bias_sign;                       /* 1 or -1 */
} cosface_margin_softmax_options;

/* Every pointer may be NULL: that result is then not produced. Without d_embeddings and d_weights the
 * call costs 2NCD flops and stores no gradient data. Both gradients are produced together or not at all. What is per
 * sample costs nothing and needs neither; d_bias [C] needs both. All derivatives are of what `reduction` says. */
typedef struct cosface_margin_softmax_results {
  float* loss;             /* [N], weighted; 0 where ignored */
  float* target_cosine;    /* [N] cos_iy without margin; 0 where ignored */
  int32_t* prediction;     /* [N] lowest class index of the largest s v_ic + b_c: without margin, curve or filter */
  float* d_embeddings;     /* [N, D] */
  float* d_weights;        /* [C K, D]; [S, D] with class_ids */
  float* d_bias;           /* [C], or [1] with the binary form */
  float* d_sample_weights; /* [N]; the number that a mean divides by is held constant */
  float* d_sample_m1; /* [N] by the margin in force, the sample's own or the common one; of a circle through M alone */
  float* d_sample_m2;
  float* d_sample_m3;
  double reduced_loss;     /* out: the sum, or the mean where reduction is MEAN (0 if nothing counts) */
  int64_t counted;         /* out: samples with label not ignored and weight != 0 */
  int64_t zero_embeddings; /* out: rows of x below COSFACE_ZERO_NORM */
  int64_t zero_weights;    /* out: rows of w that take part and are below COSFACE_ZERO_NORM */
} cosface_margin_softmax_results;

/* The choices of one call, made from shape, options and budget alone and free of the thread count,
 * so that the order of every sum, and with it every bit of the result, is the same on any number of
 * threads. */
typedef struct cosface_margin_softmax_plan {
  cosface_isa isa;
  int32_t threads;         /* workers that will run */
  int32_t row_shift;       /* 1: s is so large that each row's maximum is found first (2NCD more); 2: a row block
                              whose logits turn out too large or too small goes through pass 1 again */
  int32_t keep;            /* 1: the exponentials of a row block are kept (6NCD); 0: recomputed (8NCD) */
  int32_t pack_weights;    /* 1: products read normalised copies of w; 0: w itself, and 1/|w| is a factor later */
  int32_t keep_norms;      /* 1: the norms of all classes are kept; 0: found again with each class block */
  int64_t row_block;       /* rows between two passes over w (Nb) */
  int64_t row_group;       /* rows of one pass-1 task */
  int64_t class_slab;      /* classes of one pass-1 task */
  int64_t class_block;     /* classes in cache at a time */
  int64_t turn_classes;    /* classes whose dw is multiplied, then projected, at a time */
  int64_t blocks_per_task; /* class blocks of one pass-2 task */
  int64_t feature_depth;   /* products are summed in registers over at most so many words of features, */
  int64_t sample_depth;    /* and of samples, before they are added to memory */
  int64_t workspace_bytes; /* exactly what is allocated */
  int32_t print;           /* 1: the run prints the plan first (COSFACE_DEBUG=plan) */
} cosface_margin_softmax_plan;

void cosface_margin_softmax_default_options(cosface_margin_softmax_options* options);

/* Chooses how to run. `gradients` says whether d_embeddings and d_weights will be asked for. Reads the COSFACE_*
 * variables; the run does not, so that it may go beside a thread that changes the environment. */
cosface_status cosface_margin_softmax_make_plan(const cosface_margin_softmax_problem* problem,
                                                const cosface_margin_softmax_options* options, int gradients,
                                                cosface_margin_softmax_plan* plan, cosface_error* error);

/* What a plan does and why, for people; the words may change. Writes at most `size` bytes, the last of them 0. */
void cosface_margin_softmax_describe_plan(const cosface_margin_softmax_problem* problem,
                                          const cosface_margin_softmax_options* options, int gradients,
                                          const cosface_margin_softmax_plan* plan, char* text, int64_t size);

/* Runs a plan that was made for the same dimensions, options and gradients. Thread-safe. On an error the outputs
 * are unspecified and *error is filled. */
cosface_status cosface_margin_softmax_run(const cosface_margin_softmax_problem* problem,
                                          const cosface_margin_softmax_options* options,
                                          const cosface_margin_softmax_plan* plan,
                                          cosface_margin_softmax_results* results, cosface_error* error);

/* Plans and runs. */
cosface_status cosface_margin_softmax(const cosface_margin_softmax_problem* problem,
                                      const cosface_margin_softmax_options* options,
                                      cosface_margin_softmax_results* results, cosface_error* error);

/* Gives back the workspace that is kept between calls (at most one per concurrent call). */
void cosface_release_workspace(void);

/* The stable code of a status: "COSFACE_LABEL_RANGE" for COSFACE_ERROR_LABEL_RANGE. */
const char* cosface_status_code(cosface_status status);
/* "scalar", "avx2", ...; NULL for an unknown value. */
const char* cosface_isa_name(cosface_isa isa);
/* 1 if this processor and operating system can run it. */
int cosface_isa_supported(cosface_isa isa);
/* The ISA that AUTO stands for now, COSFACE_ISA applied; an error if that variable is not understood. */
cosface_status cosface_best_isa(cosface_isa* isa, cosface_error* error);

#ifdef __cplusplus
}
#endif

#endif /* COSFACE_MARGIN_SOFTMAX_H */
