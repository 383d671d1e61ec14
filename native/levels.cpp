// Which kernels this machine can run.
#include "table.hpp"

namespace tercet {

std::size_t available_levels(const Kernels* levels[4]) {
    std::size_t count = 0;
    levels[count++] = &kernels_baseline;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
          __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt")))
        return count;
    levels[count++] = &kernels_avx2;
    if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
          __builtin_cpu_supports("avx512cd")))
        return count;
    levels[count++] = &kernels_avx512;
    if (__builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vnni")) levels[count++] = &kernels_avx512ifma;
#endif
    return count;
}

}  // namespace tercet
