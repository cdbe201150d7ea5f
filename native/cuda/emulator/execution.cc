// Compiled without sanitizers (fibre.cc). No containers of the standard library and no memcpy of a size that is not a
// constant: a copy that another file has with sanitizers could take their place.
#include "cuda/emulator/execution.h"

#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cuda/emulator/accesses.h"
#include "cuda/emulator/fibre.h"
#include "cuda/emulator/half_formats.h"
#include "cuda/emulator/warp_operations.h"

namespace cosface::cuda::emulator {

thread_state* running;
index_3 grid_size, block_size;
unsigned char* shared_memory;
size_t shared_bytes;

namespace {

constexpr int most_threads = 1024;
constexpr int most_copies = 256;        // of a thread, under way at a time
constexpr unsigned char poison = 0xff;  // NaN in every format of floats, -1, an index far away
constexpr size_t shared_alignment = 128;

enum class thread_status {
  can_run,
  at_block_barrier,
  at_warp_operation,
  exited,
};

struct pending_copy {
  void* to;
  const void* from;
  int group;
};

struct emulated_thread {
  thread_state state;
  fibre stack;
  thread_status status;
  const char* where;  // it waits
  unsigned mask;
  warp_operation operation;
  lane_exchange exchange;
  pending_copy copies[most_copies];
  int copy_count, copy_group;
  unsigned barriers_passed;
};

// Marks of ThreadSanitizer, of one block: two turns, so that nobody acquires what a faster thread publishes next.
struct order_marks {
  uint64_t barrier[2], warp[most_threads / warp_lanes][2];
};

// Indices of threads that can run, in the order in which they became able to.
class run_queue {
 public:
  bool is_empty() const { return count_ == 0; }
  void clear() { count_ = 0; }
  void add(int thread) { threads_[(first_ + count_++) % most_threads] = thread; }
  int take_first() {
    const int thread = threads_[first_];
    first_ = (first_ + 1) % most_threads;
    count_--;
    return thread;
  }
  int take_last() { return threads_[(first_ + --count_) % most_threads]; }
  int take(uint64_t random) {
    const int at = (first_ + static_cast<int>(random % static_cast<uint64_t>(count_))) % most_threads;
    const int thread = threads_[at];
    threads_[at] = threads_[(first_ + --count_) % most_threads];
    return thread;
  }

 private:
  int threads_[most_threads];
  int first_ = 0, count_ = 0;
};

emulated_thread* threads[most_threads];
emulated_thread* current;
int thread_count, exited_count;
run_queue can_run;
const launch* launched;
schedule chosen;
uint64_t random_state;
work_done work;

int waiting_at_barrier;
bool barrier_condition, barrier_result;
order_marks* marks;
unsigned warp_barriers[most_threads / warp_lanes];
uint64_t launch_mark, end_mark;

// xorshift64
uint64_t next_random() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

void fill(unsigned char* to, unsigned char value, size_t bytes) {
  volatile unsigned char* at = to;
  for (size_t k = 0; k < bytes; k++) at[k] = value;
}

void make_runnable(emulated_thread& t) {
  t.status = thread_status::can_run;
  can_run.add(static_cast<int>(t.state.linear));
}

void wait_as(thread_status status, const char* where) {
  current->status = status;
  current->where = where;
  work.switches++;
  current->stack.pause();
}

void thread_main() {
  fibre::arrived();
  acquire(&launch_mark);
  launched->body(launched->parameters);
  if (current->copy_count > 0)
    broken_rule("the thread ends with %d asynchronous copies that nobody waited for", current->copy_count);
  publish(&end_mark);
  current->status = thread_status::exited;
  exited_count++;
  current->stack.leave();
}

// ---- Collectives

bool same_place(const char* a, const char* b) { return a == b || strcmp(a, b) == 0; }

void check_barrier_places(const char* where) {
  for (int t = 0; t < thread_count; t++)
    if (threads[t]->status == thread_status::at_block_barrier && !same_place(threads[t]->where, where))
      broken_rule("divergent block barrier: this thread is at %s, thread %d at %s", where, t, threads[t]->where);
}

// The lanes that the operation is of; null outside of `mask`.
struct warp_view {
  emulated_thread* lanes[warp_lanes];
  unsigned arrived;
};

warp_view look_at_warp(warp_operation operation, unsigned mask, const char* where) {
  const int own = static_cast<int>(current->state.linear) % warp_lanes;
  const int first = static_cast<int>(current->state.linear) - own;
  warp_view view{};
  for (int lane = 0; lane < warp_lanes; lane++) {
    if (!(mask >> lane & 1)) continue;
    if (first + lane >= thread_count)
      broken_rule("%s: lane %d takes part, the block has %d threads", where, lane, thread_count);
    emulated_thread& t = *threads[first + lane];
    view.lanes[lane] = &t;
    if (t.status == thread_status::exited) broken_rule("%s: lane %d takes part and has exited", where, lane);
    // One that waits with lanes to which this thread does not belong may come here later.
    const bool waits_for_this = t.status == thread_status::at_warp_operation && (t.mask >> own & 1);
    if (&t != current && !waits_for_this) continue;
    if (t.mask != mask || t.operation != operation || !same_place(t.where, where))
      broken_rule("divergent warp operation: this thread is at %s with lanes %08x, lane %d at %s with lanes %08x",
                  where, mask, lane, t.where, t.mask);
    view.arrived |= 1u << lane;
  }
  return view;
}

void shuffle(const warp_view& view, unsigned mask, const char* where) {
  for (int lane = 0; lane < warp_lanes; lane++) {
    if (!(mask >> lane & 1)) continue;
    const int from = view.lanes[lane]->exchange.argument;
    if (from < 0 || from >= warp_lanes || !(mask >> from & 1))
      broken_rule("%s: lane %d reads lane %d, which does not take part", where, lane, from);
    memcpy(view.lanes[lane]->exchange.out, view.lanes[from]->exchange.in, 8);
  }
}

void vote(const warp_view& view) {
  unsigned votes = 0;
  for (int lane = 0; lane < warp_lanes; lane++)
    if (view.lanes[lane] != nullptr && view.lanes[lane]->exchange.argument != 0) votes |= 1u << lane;
  for (emulated_thread* t : view.lanes)
    if (t != nullptr) memcpy(t->exchange.out, &votes, sizeof(votes));
}

void compute(warp_operation operation, const warp_view& view, unsigned mask, const char* where) {
  switch (operation) {
    case warp_operation::barrier: warp_barriers[current->state.linear / warp_lanes]++; return;
    case warp_operation::shuffle: return shuffle(view, mask, where);
    case warp_operation::ballot: return vote(view);
    default: break;
  }
  if (mask != whole_warp) broken_rule("%s: lanes %08x, a matrix operation takes the whole warp", where, mask);
  lane_exchange* exchanges[warp_lanes];
  for (int lane = 0; lane < warp_lanes; lane++) exchanges[lane] = &view.lanes[lane]->exchange;
  switch (operation) {
    case warp_operation::multiply_half: work.matrix_products++; return multiply_matrices(exchanges, float_of_half);
    case warp_operation::multiply_bf16: work.matrix_products++; return multiply_matrices(exchanges, float_of_bf16);
    default: return move_matrices(exchanges, operation == warp_operation::load_matrices_transposed);
  }
}

// ---- Blocks

[[noreturn]] void report_deadlock() {
  const emulated_thread* first = nullptr;
  for (int t = 0; t < thread_count; t++) {
    if (threads[t]->status == thread_status::exited) continue;
    if (first == nullptr) first = threads[t];
    if (threads[t]->status != first->status || !same_place(threads[t]->where, first->where))
      broken_rule("deadlock: thread %u waits at %s, thread %d at %s; %d have exited", first->state.linear, first->where,
                  t, threads[t]->where, exited_count);
  }
  broken_rule("deadlock: thread %u waits at %s; %d of %d have exited", first->state.linear, first->where, exited_count,
              thread_count);
}

int choose_thread() {
  switch (chosen.threads) {
    case order::forward: return can_run.take_first();
    case order::reverse: return can_run.take_last();
    case order::random: return can_run.take(next_random());
  }
  abort();
}

void start_threads(uint64_t block) {
  const index_3 &grid = grid_size, &size = block_size;
  const index_3 at{static_cast<unsigned>(block % grid.x), static_cast<unsigned>(block / grid.x % grid.y),
                   static_cast<unsigned>(block / grid.x / grid.y)};
  for (int t = 0; t < thread_count; t++) {
    emulated_thread& thread = *threads[t];
    const unsigned linear = static_cast<unsigned>(t);
    thread.state = {{linear % size.x, linear / size.x % size.y, linear / size.x / size.y}, at, linear};
    thread.copy_count = thread.copy_group = 0;
    thread.barriers_passed = 0;
    thread.stack.prepare(thread_main);
    make_runnable(thread);
  }
}

void run_block(uint64_t block) {
  work.blocks++;
  exited_count = waiting_at_barrier = 0;
  barrier_condition = false;
  can_run.clear();
  fill(shared_memory, poison, shared_bytes);
  start_threads(block);
  publish(&launch_mark);
  while (exited_count < thread_count) {
    if (can_run.is_empty()) report_deadlock();
    current = threads[choose_thread()];
    running = &current->state;
    current->stack.resume();
  }
  running = nullptr;
}

void allocate_threads() {
  for (int t = 0; t < thread_count; t++)
    if (threads[t] == nullptr) threads[t] = new emulated_thread{};
}

// Shared memory and marks of each block. They all live to the end under ThreadSanitizer, so that no block's accesses
// are taken for another's.
struct block_memory {
  unsigned char* shared;
  order_marks* marks;
};

block_memory allocate_block_memory() {
  block_memory memory{};
  if (shared_bytes > 0 && posix_memalign(reinterpret_cast<void**>(&memory.shared), shared_alignment, shared_bytes) != 0)
    abort();
  memory.marks = static_cast<order_marks*>(calloc(1, sizeof(order_marks)));
  return memory;
}

void free_block_memory(const block_memory& memory) {
  free(memory.shared);
  free(memory.marks);
}

#if defined(COSFACE_SANITIZE_thread)
constexpr bool keeps_block_memory = true;
#else
constexpr bool keeps_block_memory = false;
#endif

}  // namespace

schedule schedule_of_environment() {
  const char* text = getenv("COSFACE_EMULATOR_SCHEDULE");
  if (text == nullptr || *text == '\0' || strcmp(text, "random") == 0) return {};
  if (strcmp(text, "forward") == 0) return {order::forward, 0};
  if (strcmp(text, "reverse") == 0) return {order::reverse, 0};
  char* end = nullptr;
  if (strncmp(text, "random:", 7) == 0) {
    const uint64_t seed = strtoull(text + 7, &end, 10);
    if (end != text + 7 && *end == '\0') return {order::random, seed};
  }
  broken_rule("COSFACE_EMULATOR_SCHEDULE is '%s', expected forward, reverse, random or random:SEED", text);
}

work_done work_so_far() { return work; }

void broken_rule(const char* format, ...) {
  fprintf(stderr, "cosface emulator: ");
  if (running != nullptr)
    fprintf(stderr, "%s, block (%u, %u, %u), thread %u: ", launched->name, running->block.x, running->block.y,
            running->block.z, running->linear);
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  fflush(stderr);
  _exit(exit_status_of_broken_rule);
}

bool block_barrier(bool condition, const char* where) {
  uint64_t* mark = &marks->barrier[current->barriers_passed++ % 2];
  publish(mark);
  if (exited_count > 0) broken_rule("block barrier at %s after %d threads have exited", where, exited_count);
  barrier_condition |= condition;
  if (++waiting_at_barrier < thread_count) {
    wait_as(thread_status::at_block_barrier, where);
  } else {
    check_barrier_places(where);
    barrier_result = barrier_condition;
    barrier_condition = false;
    waiting_at_barrier = 0;
    for (int t = 0; t < thread_count; t++)
      if (threads[t]->status == thread_status::at_block_barrier) make_runnable(*threads[t]);
    // The last to come gets no head start.
    can_run.add(static_cast<int>(current->state.linear));
    work.switches++;
    current->stack.pause();
  }
  acquire(mark);
  return barrier_result;
}

const void* warp_collective(warp_operation operation, unsigned mask, const void* in, int in_bytes, int argument,
                            const char* where) {
  const int lane = static_cast<int>(current->state.linear) % warp_lanes;
  if (!(mask >> lane & 1)) broken_rule("%s: lane %d is not among its own lanes %08x", where, lane, mask);
  for (int k = 0; k < in_bytes; k++) current->exchange.in[k] = static_cast<const volatile unsigned char*>(in)[k];
  current->exchange.argument = argument;
  current->operation = operation;
  current->mask = mask;
  current->where = where;
  const int warp = static_cast<int>(current->state.linear) / warp_lanes;
  uint64_t* mark = operation == warp_operation::barrier ? &marks->warp[warp][warp_barriers[warp] % 2] : nullptr;
  if (mark != nullptr) publish(mark);
  const warp_view view = look_at_warp(operation, mask, where);
  if (view.arrived != mask) {
    wait_as(thread_status::at_warp_operation, where);
  } else {
    compute(operation, view, mask, where);
    for (emulated_thread* t : view.lanes)
      if (t != nullptr && t != current) make_runnable(*t);
  }
  if (mark != nullptr) acquire(mark);
  return current->exchange.out;
}

// The destination holds poison until the wait, or at random the data at once.
void copy_async(void* to, const void* from, const char* where) {
  constexpr size_t bytes = 16;
  if (reinterpret_cast<uintptr_t>(to) % bytes != 0 || reinterpret_cast<uintptr_t>(from) % bytes != 0)
    broken_rule("%s: to %p from %p, expected multiples of 16", where, to, from);
  const unsigned char* at = static_cast<unsigned char*>(to);
  if (at < shared_memory || at + bytes > shared_memory + shared_bytes)
    broken_rule("%s: the destination is not in shared memory", where);
  if (current->copy_count == most_copies) broken_rule("%s: more than %d copies under way", where, most_copies);
  if (from != nullptr) read_as_thread(from, bytes);
  const bool early = chosen.threads == order::random && next_random() % 2 == 0;
  if (!early)
    fill_as_thread(to, poison, bytes);
  else if (from != nullptr)
    copy_as_thread(to, from, bytes);
  else
    fill_as_thread(to, 0, bytes);
  current->copies[current->copy_count++] = {to, from, current->copy_group};
}

void commit_copies() { current->copy_group++; }

void wait_for_copies(int groups) {
  constexpr size_t bytes = 16;
  int kept = 0;
  for (int k = 0; k < current->copy_count; k++) {
    const pending_copy& copy = current->copies[k];
    if (copy.group >= current->copy_group - groups)
      current->copies[kept++] = copy;
    else if (copy.from != nullptr)
      copy_as_thread(copy.to, copy.from, bytes);
    else
      fill_as_thread(copy.to, 0, bytes);
  }
  current->copy_count = kept;
}

void run(const launch& launch, const schedule& schedule) {
  launched = &launch;
  chosen = schedule;
  // Never zero, which xorshift would keep.
  random_state = schedule.seed * 0x9e3779b97f4a7c15 | 1;
  grid_size = launch.grid;
  block_size = launch.block;
  shared_bytes = launch.shared_bytes;
  const uint64_t threads_wanted = uint64_t{launch.block.x} * launch.block.y * launch.block.z;
  if (threads_wanted == 0 || threads_wanted > most_threads)
    broken_rule("%s: a block of %u x %u x %u threads", launch.name, launch.block.x, launch.block.y, launch.block.z);
  thread_count = static_cast<int>(threads_wanted);
  allocate_threads();
  enter_scheduler();

  const uint64_t blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  const uint64_t first = chosen.threads == order::random && blocks > 0 ? next_random() % blocks : 0;
  block_memory* memory = static_cast<block_memory*>(calloc(blocks + 1, sizeof(block_memory)));
  for (uint64_t turn = 0; turn < blocks; turn++) {
    const uint64_t block = chosen.threads == order::reverse ? blocks - 1 - turn : (first + turn) % blocks;
    memory[turn] = allocate_block_memory();
    shared_memory = memory[turn].shared;
    marks = memory[turn].marks;
    for (unsigned& count : warp_barriers) count = 0;
    run_block(block);
    if (!keeps_block_memory) {
      free_block_memory(memory[turn]);
      memory[turn] = {};
    }
  }
  acquire(&end_mark);
  for (uint64_t turn = 0; turn < blocks; turn++) free_block_memory(memory[turn]);
  free(memory);
  shared_memory = nullptr;
  shared_bytes = 0;
}

}  // namespace cosface::cuda::emulator
