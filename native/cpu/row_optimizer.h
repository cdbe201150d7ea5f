// Moves a row of w against its finished gradient, with the state that belongs to the row.
#pragma once

#include <cstdint>

#include "cosface/resident_head.h"

namespace cosface {

class row_optimizer {
 public:
  // [C, D] each, and [C]; null where the optimiser has none.
  struct arrays {
    float* weights;
    float* velocity;
    float* first_moment;
    float* second_moment;
    int32_t* updates;
  };

  row_optimizer(const cosface_resident_head_options& options, const cosface_resident_head_update& update,
                const arrays& state)
      : options_(options), update_(update), state_(state) {}

  // Any worker, each class at most once a step.
  void update(int64_t row, const float* gradient) const;

  // The state that an update reads first, to be brought into cache ahead; null where there is none.
  const float* first_state() const { return state_.velocity ? state_.velocity : state_.first_moment; }

 private:
  void update_by_sgd(int64_t row, const float* gradient) const;
  void update_by_adamw(int64_t row, const float* gradient) const;
  void normalize(float* w) const;

  const cosface_resident_head_options& options_;
  const cosface_resident_head_update update_;
  const arrays state_;
};

}  // namespace cosface
