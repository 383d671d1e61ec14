// Stacked matrix products over threads.
#include <cstring>
#include <memory>

#include "bind.hpp"
#include "parallel.hpp"

namespace tercet {

namespace {

struct Product {
    const WordKernels& kernels;
    decltype(WordKernels::matmul) multiply;
    std::size_t rows, cols, depth, word;

    // One product. The longer side of the result is cut among threads, or the depth where the result is small.
    void run(Matrix a, Matrix b, char* out, unsigned threads) const {
        if (threads <= 1 || rows * cols * depth < (1u << 18)) return multiply(rows, cols, depth, a, b, out, cols);
        if (rows >= 64 && rows >= cols) {
            parallel(rows, threads, 24, [&](std::size_t i, std::size_t end) {
                const Matrix part{a.data + std::ptrdiff_t(i) * a.row, a.row, a.col};
                multiply(end - i, cols, depth, part, b, out + i * cols * word, cols);
            });
            return;
        }
        if (cols >= 64) {
            parallel(cols, threads, 32, [&](std::size_t j, std::size_t end) {
                const Matrix part{b.data + std::ptrdiff_t(j) * b.col, b.row, b.col};
                multiply(rows, end - j, depth, a, part, out + j * word, cols);
            });
            return;
        }
        deep(a, b, out, threads);
    }

    void deep(Matrix a, Matrix b, char* out, unsigned threads) const {
        const std::size_t result = rows * cols * word, grain = (depth + threads - 1) / threads;
        const std::size_t parts = (depth + grain - 1) / grain;
        const auto partial = std::make_unique<std::uint64_t[]>(parts * result / 8);
        char* sums = reinterpret_cast<char*>(partial.get());
        parallel(parts, threads, 1, [&](std::size_t part, std::size_t end) {
            for (; part < end; ++part) {
                const std::ptrdiff_t k = std::ptrdiff_t(part * grain);
                const std::size_t last = (part + 1) * grain < depth ? (part + 1) * grain : depth;
                multiply(rows, cols, last - part * grain, {a.data + k * a.col, a.row, a.col},
                               {b.data + k * b.row, b.row, b.col}, sums + part * result, cols);
            }
        });
        std::memcpy(out, sums, result);
        for (std::size_t part = 1; part < parts; ++part) kernels.add(rows * cols, out, sums + part * result, out);
    }
};

void stacked(const Handle& self, nb::handle a_, nb::handle b_, nb::handle out_, unsigned threads, bool narrow) {
    const Strided a(a_), b(b_);
    const Out out(out_);
    const int axes = out.ndim();
    require(axes >= 2 && a.ndim() == axes && b.ndim() == axes && a.word_bytes() == out.word_bytes() &&
                b.word_bytes() == out.word_bytes(),
            "matrices differ in axes or ring");
    require(out.word_bytes() >= 8, "there are no matrix products of words of 4 bytes");
    require(!narrow || out.word_bytes() == 8, "matrix products modulo 2^16 are of words of 8 bytes");
    require(a.shape(axes - 2) == out.shape(axes - 2) && b.shape(axes - 1) == out.shape(axes - 1) &&
                a.shape(axes - 1) == b.shape(axes - 2),
            "matrix shapes do not match");
    std::size_t stacked = 1;
    for (int axis = 0; axis < axes - 2; ++axis) {
        require(a.shape(axis) == out.shape(axis) && b.shape(axis) == out.shape(axis), "stacks differ in shape");
        stacked *= std::size_t(out.shape(axis));
    }
    const Product product{self.words(out), narrow ? self.table->matmul16 : self.words(out).matmul,
                          std::size_t(out.shape(axes - 2)), std::size_t(out.shape(axes - 1)),
                          std::size_t(a.shape(axes - 1)), std::size_t(out.word_bytes())};
    const std::size_t result = product.rows * product.cols * product.word;
    if (product.depth == 0) {
        std::memset(out.data(), 0, stacked * result);
        return;
    }
    if (stacked == 0 || result == 0) return;

    const auto at = [&](std::size_t index, unsigned inner) {
        std::ptrdiff_t from_a = 0, from_b = 0;
        std::size_t rest = index;
        for (int axis = axes - 3; axis >= 0; --axis) {
            const std::ptrdiff_t i = std::ptrdiff_t(rest % std::size_t(out.shape(axis)));
            rest /= std::size_t(out.shape(axis));
            from_a += i * a.stride(axis);
            from_b += i * b.stride(axis);
        }
        product.run({a.data() + from_a, a.stride(axes - 2), a.stride(axes - 1)},
                    {b.data() + from_b, b.stride(axes - 2), b.stride(axes - 1)}, out.data<char>() + index * result,
                    inner);
    };
    const Unlocked unlocked(stacked * product.rows * product.cols * product.depth / 4);
    if (stacked < 2 * std::size_t(threads))
        for (std::size_t index = 0; index < stacked; ++index) at(index, threads);
    else
        parallel(stacked, threads, 1, [&](std::size_t index, std::size_t end) {
            for (; index < end; ++index) at(index, 1);
        });
}

void matmul(const Handle& self, nb::handle a, nb::handle b, nb::handle out, unsigned threads) {
    stacked(self, a, b, out, threads, false);
}

void matmul16(const Handle& self, nb::handle a, nb::handle b, nb::handle out, unsigned threads) {
    stacked(self, a, b, out, threads, true);
}

}  // namespace

void bind_matmul(nb::class_<Handle>& handle) { handle.def("matmul", &matmul).def("matmul16", &matmul16); }

}  // namespace tercet
