// Compiled without sanitizers, as is all of the emulator's core: what it does to its own data is no thread's doing.
#include "cuda/emulator/fibre.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

#if defined(COSFACE_SANITIZE_address)
extern "C" {
void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, size_t bytes);
void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom, size_t* bytes);
void __asan_unpoison_memory_region(const volatile void* address, size_t bytes);
}
#elif defined(COSFACE_SANITIZE_thread)
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* mark);
void __tsan_release(void* mark);
}
#endif

namespace cosface::cuda::emulator {
namespace {

// Pages that no frame touches cost nothing.
constexpr size_t stack_bytes = size_t{256} << 10;

#if defined(COSFACE_EMULATOR_SWITCH)
void* scheduler_point;
#else
ucontext_t scheduler_point;
#endif

#if defined(COSFACE_SANITIZE_address)
const void* scheduler_stack;
size_t scheduler_stack_bytes;
void* scheduler_fake_stack;
#elif defined(COSFACE_SANITIZE_thread)
void* scheduler_thread;
constexpr unsigned no_order = 1;  // __tsan_switch_to_fiber_no_sync

// Fibres of earlier blocks. ThreadSanitizer has at most some 8000 threads, and says nothing of a race with one whose
// number another thread has got since: so they go as late as they can.
constexpr int most_retired = 2048;
void* retired[most_retired];
int next_retired;

void retire(void* thread) {
  void*& place = retired[next_retired];
  next_retired = (next_retired + 1) % most_retired;
  if (place != nullptr) __tsan_destroy_fiber(place);
  place = thread;
}
#endif

char* map_stack(char* at) {
  const int fixed = at == nullptr ? 0 : MAP_FIXED;
  void* stack =
      mmap(at, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
  if (stack == MAP_FAILED) {
    perror("cosface emulator: a stack");
    abort();
  }
  return static_cast<char*>(stack);
}

}  // namespace

#if defined(COSFACE_EMULATOR_SWITCH)
// The registers that a function must keep (System V ABI) go onto the old stack and come off the new one.
extern "C" void cosface_emulator_switch(void** from, void* to);
asm(R"(
.text
.globl cosface_emulator_switch
.hidden cosface_emulator_switch
.type cosface_emulator_switch, @function
cosface_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cosface_emulator_switch, .-cosface_emulator_switch
)");

static void switch_points(void** from, void** to) { cosface_emulator_switch(from, *to); }

static void start_point(void** point, char* stack, void (*entry)()) {
  // As switch_points finds it: six registers, where to return to, and for `entry` no address to return to.
  constexpr int saved_registers = 6;
  void** top = reinterpret_cast<void**>(stack + stack_bytes);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int k = 0; k < saved_registers; k++) *--top = nullptr;
  *point = top;
}
#else
static void switch_points(ucontext_t* from, ucontext_t* to) { swapcontext(from, to); }

static void start_point(ucontext_t* point, char* stack, void (*entry)()) {
  getcontext(point);
  point->uc_stack.ss_sp = stack;
  point->uc_stack.ss_size = stack_bytes;
  point->uc_link = nullptr;
  makecontext(point, entry, 0);
}
#endif

void fibre::prepare(void (*entry)()) {
#if defined(COSFACE_SANITIZE_thread)
  // A fresh thread and fresh pages: it knows nothing of what the last block did here.
  if (thread_ != nullptr) retire(thread_);
  thread_ = __tsan_create_fiber(0);
  stack_ = map_stack(stack_);
#else
  if (stack_ == nullptr) stack_ = map_stack(nullptr);
#endif
#if defined(COSFACE_SANITIZE_address)
  __asan_unpoison_memory_region(stack_, stack_bytes);
  fake_stack_ = nullptr;
#endif
  start_point(&point_, stack_, entry);
}

void fibre::resume() {
#if defined(COSFACE_SANITIZE_thread)
  __tsan_switch_to_fiber(thread_, no_order);
#elif defined(COSFACE_SANITIZE_address)
  __sanitizer_start_switch_fiber(&scheduler_fake_stack, stack_, stack_bytes);
#endif
  switch_points(&scheduler_point, &point_);
#if defined(COSFACE_SANITIZE_address)
  __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
#endif
}

void fibre::switch_back([[maybe_unused]] void** keep) {
#if defined(COSFACE_SANITIZE_thread)
  __tsan_switch_to_fiber(scheduler_thread, no_order);
#elif defined(COSFACE_SANITIZE_address)
  __sanitizer_start_switch_fiber(keep, scheduler_stack, scheduler_stack_bytes);
#endif
  switch_points(&point_, &scheduler_point);
#if defined(COSFACE_SANITIZE_address)
  __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
#endif
}

void fibre::pause() { switch_back(&fake_stack_); }

void fibre::leave() {
  switch_back(nullptr);
  abort();  // nobody resumes it
}

void fibre::arrived() {
#if defined(COSFACE_SANITIZE_address)
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_bytes);
#endif
}

void enter_scheduler() {
#if defined(COSFACE_SANITIZE_thread)
  scheduler_thread = __tsan_get_current_fiber();
#endif
}

#if defined(COSFACE_SANITIZE_thread)
void publish(void* mark) { __tsan_release(mark); }
void acquire(void* mark) { __tsan_acquire(mark); }
#else
void publish(void*) {}
void acquire(void*) {}
#endif

}  // namespace cosface::cuda::emulator
