// A stack of its own to run a function on, and the switch there and back.
//
// The sanitizers are told of every switch. For ThreadSanitizer each fibre is a thread of its own that no switch orders
// against another: only publish and acquire do.
#pragma once

#include <cstddef>

#if defined(__x86_64__) && !defined(COSFACE_EMULATOR_UCONTEXT)
#define COSFACE_EMULATOR_SWITCH 1
#else
#include <ucontext.h>
#endif

namespace cosface::cuda::emulator {

class fibre {
 public:
  // Starts `entry` anew at the next resume(), with the stack as if never used. `entry` must end in leave().
  void prepare(void (*entry)());
  // From the scheduler: goes on with the fibre until it calls pause() or leave().
  void resume();
  // From the fibre: back to the scheduler.
  void pause();
  [[noreturn]] void leave();
  // The first thing that `entry` calls.
  static void arrived();

 private:
  void switch_back(void** keep);

  char* stack_ = nullptr;
#if defined(COSFACE_EMULATOR_SWITCH)
  void* point_ = nullptr;
#else
  ucontext_t point_;
#endif
  void* fake_stack_ = nullptr;  // AddressSanitizer's
  void* thread_ = nullptr;      // ThreadSanitizer's
};

// The thread that calls resume(), before the first one of a launch.
void enter_scheduler();

// What a thread did before it published `mark` comes before what another does after it acquired it.
void publish(void* mark);
void acquire(void* mark);

}  // namespace cosface::cuda::emulator
