// What Python holds: the kernels of one level. Each file binds one family.
#pragma once
#include "buffer.hpp"
#include "table.hpp"

namespace tercet {

struct Handle {
    const Kernels* table;
    const WordKernels& words(const Buffer& like) const {
        return like.word_bytes() == 16 ? table->words128 : like.word_bytes() == 8 ? table->words64 : table->words32;
    }
};

void bind_words(nb::class_<Handle>& handle);
void bind_bits(nb::class_<Handle>& handle);
void bind_convolve(nb::class_<Handle>& handle);
void bind_matmul(nb::class_<Handle>& handle);
void bind_orders(nb::class_<Handle>& handle);
void bind_halves(nb::class_<Handle>& handle);
void bind_residues(nb::class_<Handle>& handle);
void bind_lookup(nb::class_<Handle>& handle);
void bind_combine(nb::class_<Handle>& handle);
void bind_sharewise(nb::class_<Handle>& handle);

}  // namespace tercet
