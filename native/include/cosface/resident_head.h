/* The resident head: class centres w [C, D] and the state of their optimiser stay here between steps. One call takes x
 * and y, gives loss and dx, and moves w: each row's gradient is used while it is in cache and never stored, so that
 * dw [C, D] takes no memory.
 *
 * Memory: 4 CD bytes for w; as much again for SGD with momentum; twice as much again, and 4 C, for AdamW; beyond that
 * the workspace of the call. State begins as zeros and takes no physical memory before it is first written, so under
 * class sampling only rows that took part cost any.
 *
 * A step is one row block (margin_softmax.h: plan), because w may move only when no further row needs it. Exponentials
 * are kept where those of the whole batch fit the budget, else computed twice. Its gradients are, to the last bit,
 * those that cosface_margin_softmax gives under the same plan.
 *
 * A step that fails has changed nothing: arguments, samples, x and every row of w that takes part are checked before
 * the first row moves. An update that overflows fp32 is found by the next step.
 *
 * With class_ids only these rows and their state are read or written (lazy updates): momentum and weight decay of a row
 * rest while it is left out. For AdamW each row counts its own updates, and its bias corrections are those of that
 * count: the averages hold as many gradients as the row has had, however many steps the head has made.
 *
 * Bits do not depend on the number of threads. Thread-safe: calls on one head go one after the other.
 */
#ifndef COSFACE_RESIDENT_HEAD_H
#define COSFACE_RESIDENT_HEAD_H

#include <stdint.h>

#include "cosface/margin_softmax.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cosface_resident_head cosface_resident_head;

typedef enum cosface_optimizer {
  /* v = momentum v + g + weight_decay w;  w -= learning_rate v. Without momentum there is no v.
   * Source: Sutskever et al., ICML 2013, without Nesterov's step; the form of PyTorch's SGD and TensorFlow's Momentum.
   */
  COSFACE_OPTIMIZER_SGD = 0,
  /* m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
   * w = (1 - learning_rate weight_decay) w - learning_rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
   * Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2. */
  COSFACE_OPTIMIZER_ADAMW = 1
} cosface_optimizer;

typedef struct cosface_resident_head_options {
  int64_t classes; /* C in [1, 2^31) */
  int64_t dim;     /* D in [1, 2^24] */
  cosface_optimizer optimizer;
  double momentum;   /* SGD: [0, 1) */
  double beta1;      /* AdamW: [0, 1) */
  double beta2;      /* AdamW: [0, 1) */
  double epsilon;    /* AdamW: (0, 1] */
  int32_t normalize; /* 1: a row is divided by its length after each update; a row below COSFACE_ZERO_NORM stays */
} cosface_resident_head_options;

/* SGD with momentum 0.9; beta1 0.9, beta2 0.999, epsilon 1e-8. */
void cosface_resident_head_default_options(cosface_resident_head_options* options);

/* What changes from step to step. */
typedef struct cosface_resident_head_update {
  double learning_rate; /* [0, 1e6] */
  double weight_decay;  /* [0, 1e6] */
} cosface_resident_head_update;

/* What there is for each class. Which of them exist follows from the optimiser. */
typedef enum cosface_resident_head_part {
  COSFACE_HEAD_WEIGHTS = 0,       /* float [C, D] */
  COSFACE_HEAD_VELOCITY = 1,      /* float [C, D]: SGD with momentum */
  COSFACE_HEAD_FIRST_MOMENT = 2,  /* float [C, D]: AdamW */
  COSFACE_HEAD_SECOND_MOMENT = 3, /* float [C, D]: AdamW */
  COSFACE_HEAD_UPDATES = 4        /* int32 [C], how often each row was updated: AdamW */
} cosface_resident_head_part;

/* w starts as zeros, which no step can move: write rows first (cosface_uniform_rows makes some). */
cosface_status cosface_resident_head_create(const cosface_resident_head_options* options, cosface_resident_head** head,
                                            cosface_error* error);

/* As cosface_margin_softmax_make_plan; `updates` says whether a step with an update is planned. */
cosface_status cosface_resident_head_make_plan(const cosface_resident_head* head,
                                               const cosface_margin_softmax_problem* problem,
                                               const cosface_margin_softmax_options* options, int updates,
                                               cosface_margin_softmax_plan* plan, cosface_error* error);

/* One row for each class and no bias: sub_centers must be 1. Loss of a batch and, with an update, dx and the move of w.
 * problem->weights is not read; problem->classes and dim must be the head's. results->d_weights must be NULL, and
 * results->d_embeddings must be there with an update and NULL without. `update` NULL: w stays, and the call costs 2NCD
 * flops. `plan` NULL: one is made, and the environment read, here. */
cosface_status cosface_resident_head_step(cosface_resident_head* head, const cosface_margin_softmax_problem* problem,
                                          const cosface_margin_softmax_options* options,
                                          const cosface_margin_softmax_plan* plan,
                                          const cosface_resident_head_update* update,
                                          cosface_margin_softmax_results* results, cosface_error* error);

/* Bytes of one class's row of a part; 0 where the head has no such part. */
int64_t cosface_resident_head_row_bytes(const cosface_resident_head* head, cosface_resident_head_part part);

/* Rows [first, first + count) of a part: all that saving and loading by chunks needs. */
cosface_status cosface_resident_head_read(cosface_resident_head* head, cosface_resident_head_part part, int64_t first,
                                          int64_t count, void* values, cosface_error* error);
cosface_status cosface_resident_head_write(cosface_resident_head* head, cosface_resident_head_part part, int64_t first,
                                           int64_t count, const void* values, cosface_error* error);

/* NULL is allowed. No call on it may be running. */
void cosface_resident_head_free(cosface_resident_head* head);

/* Rows [first, first + count) of a random matrix [any, dim] with elements uniform in [-bound, bound]: the same bits for
 * one seed on every machine, in chunks of any size. */
void cosface_uniform_rows(uint64_t seed, int64_t first, int64_t count, int64_t dim, double bound, float* values);

#ifdef __cplusplus
}
#endif

#endif /* COSFACE_RESIDENT_HEAD_H */
