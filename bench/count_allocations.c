// Preloaded into a program: counts what it asks the allocator for and says so at the end, and at each SIGUSR2. For
// check_costs.py and check_request_costs.py.
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static unsigned long allocations, bytes;

static void count(size_t size) {
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&bytes, size, __ATOMIC_RELAXED);
}

void *malloc(size_t size) {
    count(size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size) {
    count(size);
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    count(size);
    *memory = __libc_memalign(alignment, size);
    return *memory == NULL ? 12 : 0;
}

static void report(void) {
    // No stdio: a signal may come in the midst of it.
    char line[80];
    int length = snprintf(line, sizeof line, "allocations: %lu bytes: %lu\n", allocations, bytes);
    if (write(STDERR_FILENO, line, (size_t)length) < 0) _exit(70);
}

static void report_now(int number) {
    (void)number;
    report();
}

__attribute__((constructor)) static void listen_for_questions(void) {
    struct sigaction action = {.sa_handler = report_now, .sa_flags = SA_RESTART};
    sigaction(SIGUSR2, &action, NULL);
}

__attribute__((destructor)) static void report_at_end(void) { report(); }
