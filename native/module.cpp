// The module tercet.ring._native.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind.hpp"
#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace tercet {

static std::vector<std::string> level_names() {
    const Kernels* levels[4];
    const std::size_t count = available_levels(levels);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.emplace_back(levels[i]->level);
    return names;
}

static Handle kernels(nb::handle level) {
    const Kernels* levels[4];
    const std::size_t count = available_levels(levels);
    if (level.is_none()) return {levels[count - 1]};
    const std::string wanted = nb::cast<std::string>(level);
    for (std::size_t i = 0; i < count; ++i)
        if (wanted == levels[i]->level) return {levels[i]};
    throw nb::value_error(("this machine has no kernels of level " + wanted).c_str());
}

// glibc hands freed memory back to the kernel and takes it again page by page, which costs several times what a kernel
// that fills it does. True if the C library took the settings.
static bool retain_freed_memory(int bytes) {
#if defined(__GLIBC__)
    // Blocks beyond 32 MiB are mapped afresh each time whatever the threshold is, unless mapping is off altogether.
    return mallopt(M_TRIM_THRESHOLD, bytes) == 1 && mallopt(M_MMAP_MAX, 0) == 1;
#else
    return (void)bytes, false;
#endif
}

NB_MODULE(_native, m) {
    nb::set_leak_warnings(false);  // the kernels that modules hold live until the interpreter is gone
    m.def("available_levels", &level_names);
    m.def("retain_freed_memory", &retain_freed_memory, nb::arg("bytes"));
    m.def("kernels", &kernels, nb::arg("level").none() = nb::none());
    nb::class_<Handle> handle(m, "Kernels");
    handle.def_prop_ro("level", [](const Handle& self) { return std::string(self.table->level); });
    bind_words(handle);
    bind_bits(handle);
    bind_convolve(handle);
    bind_matmul(handle);
    bind_orders(handle);
    bind_residues(handle);
    bind_combine(handle);
    bind_lookup(handle);
    bind_halves(handle);
    bind_sharewise(handle);
}

}  // namespace tercet
