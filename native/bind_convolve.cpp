// Convolutions: blocks of windows are gathered for the matrix kernels, or their products added to where they came from.
#include <nanobind/stl/vector.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "bind.hpp"
#include "parallel.hpp"
#include "words.hpp"

namespace tercet {

namespace {

constexpr std::size_t BLOCK_BYTES = std::size_t(1) << 20;  // of gathered windows: about the second-level cache
constexpr std::size_t FEWEST_PLACES = 64;
constexpr std::size_t MOST_BYTES = std::size_t(1) << 25;  // where fewer places than that take more

struct Side {
    std::ptrdiff_t length, count, kernel, stride, before, dilation, bytes;  // bytes: from one element to the next

    // The windows of which element k lies inside: [first, last).
    std::pair<std::ptrdiff_t, std::ptrdiff_t> inside(std::ptrdiff_t k) const {
        const std::ptrdiff_t shift = before - k * dilation, room = length - 1 + shift;
        const std::ptrdiff_t first = shift > 0 ? (shift + stride - 1) / stride : 0;
        const std::ptrdiff_t last = room < 0 ? 0 : room / stride + 1;
        return {first < count ? first : count, last < first ? first : last < count ? last : count};
    }
};

// The windows of one array's channels, whose elements lie at any strides.
struct Windows {
    Side side[3];
    std::size_t channels;
    std::ptrdiff_t channel;  // bytes
    std::size_t terms, places;

    // body(term, column, address of the first, bytes from one to the next, how many): each run of elements inside
    template <class Body> void runs(char* from, std::size_t begin, std::size_t end, Body body) const {
        const std::ptrdiff_t rows = side[1].count, columns = side[2].count;
        std::size_t term = 0;
        for (std::size_t c = 0; c < channels; ++c, from += channel)
            for (std::ptrdiff_t i = 0; i < side[0].kernel; ++i)
                for (std::ptrdiff_t j = 0; j < side[1].kernel; ++j)
                    for (std::ptrdiff_t k = 0; k < side[2].kernel; ++k, ++term) {
                        const auto [low, high] = side[2].inside(k);
                        const std::ptrdiff_t in_row = k * side[2].dilation - side[2].before;
                        std::ptrdiff_t place = std::ptrdiff_t(begin);
                        std::ptrdiff_t line = place / columns, at = place % columns;
                        for (; place < std::ptrdiff_t(end); place += columns - at, at = 0, ++line) {
                            const std::ptrdiff_t x = line / rows * side[0].stride + i * side[0].dilation - side[0].before;
                            const std::ptrdiff_t y = line % rows * side[1].stride + j * side[1].dilation - side[1].before;
                            if (x < 0 || x >= side[0].length || y < 0 || y >= side[1].length) continue;
                            const std::ptrdiff_t stop = std::ptrdiff_t(end) - place + at;
                            const std::ptrdiff_t first = at < low ? low : at, last = stop < high ? stop : high;
                            if (first >= last) continue;
                            body(term, std::size_t(place + first - at) - begin,
                                 from + x * side[0].bytes + y * side[1].bytes +
                                     (first * side[2].stride + in_row) * side[2].bytes,
                                 side[2].stride * side[2].bytes, std::size_t(last - first));
                        }
                    }
    }

    template <class T> void gather(const char* from, std::size_t begin, std::size_t end, T* to) const {
        const std::size_t width = end - begin;
        std::memset(static_cast<void*>(to), 0, terms * width * sizeof(T));
        runs(const_cast<char*>(from), begin, end,
             [&](std::size_t term, std::size_t column, const char* first, std::ptrdiff_t step, std::size_t n) {
                 T* out = to + term * width + column;
                 if (step == std::ptrdiff_t(sizeof(T))) {
                     std::memcpy(static_cast<void*>(out), first, n * sizeof(T));
                 } else {
                     for (; n; --n, first += step, ++out) std::memcpy(static_cast<void*>(out), first, sizeof(T));
                 }
             });
    }

    template <class T> void scatter(const T* from, std::size_t begin, std::size_t end, char* to) const {
        const std::size_t width = end - begin;
        runs(to, begin, end, [&](std::size_t term, std::size_t column, char* first, std::ptrdiff_t step, std::size_t n) {
            const T* in = from + term * width + column;
            for (; n; --n, first += step, ++in) {
                T* out = reinterpret_cast<T*>(first);
                *out = *out + *in;
            }
        });
    }
};

// One convolution on words of type T. `kernel` and `output` are contiguous.
template <class T> struct Convolver {
    const WordKernels& kernels;
    Windows windows;
    std::size_t batch, groups, outputs;  // outputs of one group
    std::ptrdiff_t image;                // bytes of the input from one to the next
    unsigned threads;

    std::size_t block() const {
        const std::size_t fit = BLOCK_BYTES / (windows.terms * sizeof(T)) / FEWEST_PLACES * FEWEST_PLACES;
        const std::size_t most = MOST_BYTES / (windows.terms * sizeof(T)) + 1;
        const std::size_t wanted = fit ? fit : most < FEWEST_PLACES ? most : FEWEST_PLACES;
        return wanted < windows.places ? wanted : windows.places;
    }
    std::unique_ptr<T[]> columns() const { return std::unique_ptr<T[]>(new T[windows.terms * block()]); }
    std::ptrdiff_t group(std::size_t n, std::size_t g) const {
        return std::ptrdiff_t(n) * image + std::ptrdiff_t(g * windows.channels) * windows.channel;
    }
    static Matrix matrix(const T* data, std::size_t row, std::size_t col) {
        return {reinterpret_cast<const char*>(data), std::ptrdiff_t(row * sizeof(T)), std::ptrdiff_t(col * sizeof(T))};
    }

    void to_output(const char* input, const T* kernel, T* output) const {
        const std::size_t step = block(), places = windows.places, terms = windows.terms;
        const std::size_t blocks = (places + step - 1) / step;
        parallel(batch * groups * blocks, threads, 1, [&](std::size_t task, std::size_t end) {
            const auto found = columns();
            for (; task < end; ++task) {
                const std::size_t n = task / (groups * blocks), g = task / blocks % groups, from = task % blocks * step;
                const std::size_t width = from + step < places ? step : places - from;
                windows.gather(input + group(n, g), from, from + width, found.get());
                kernels.matmul(outputs, width, terms, matrix(kernel + g * outputs * terms, terms, 1),
                               matrix(found.get(), width, 1), output + (n * groups + g) * outputs * places + from, places);
            }
        });
    }

    void to_input(const T* kernel, const T* output, char* input) const {
        const std::size_t step = block(), places = windows.places, terms = windows.terms;
        parallel(batch * groups, threads, 1, [&](std::size_t task, std::size_t end) {
            const auto found = columns();
            for (; task < end; ++task) {
                const std::size_t n = task / groups, g = task % groups;
                for (std::size_t from = 0; from < places; from += step) {
                    const std::size_t width = from + step < places ? step : places - from;
                    kernels.matmul(terms, width, outputs, matrix(kernel + g * outputs * terms, 1, terms),
                                   matrix(output + task * outputs * places + from, places, 1), found.get(), width);
                    windows.scatter(found.get(), from, from + width, input + group(n, g));
                }
            }
        });
    }

    void to_kernel(const char* input, const T* output, T* kernel) const {
        const std::size_t step = block(), places = windows.places, terms = windows.terms, size = outputs * terms;
        const std::size_t blocks = (places + step - 1) / step;
        std::mutex one;
        for (std::size_t g = 0; g < groups; ++g)
            parallel(batch * blocks, size * places < 4096 ? 1 : threads, 1, [&](std::size_t task, std::size_t end) {
                const auto found = columns();
                const std::unique_ptr<T[]> part(new T[size]), sum(new T[size]);
                for (const std::size_t start = task; task < end; ++task) {
                    const std::size_t n = task / blocks, from = task % blocks * step;
                    const std::size_t width = from + step < places ? step : places - from;
                    windows.gather(input + group(n, g), from, from + width, found.get());
                    kernels.matmul(outputs, terms, width,
                                   matrix(output + (n * groups + g) * outputs * places + from, places, 1),
                                   matrix(found.get(), 1, width), task == start ? sum.get() : part.get(), terms);
                    if (task != start) kernels.add(size, sum.get(), part.get(), sum.get());
                }
                const std::lock_guard lock(one);
                T* out = kernel + g * size;
                kernels.add(size, out, sum.get(), out);
            });
    }
};

enum Result { to_output, to_input, to_kernel };

template <class T, class Input>
void run(const WordKernels& kernels, int result, const Input& input, const char* x, const Buffer& kernel, const T* w,
         const Buffer& output, const T* y, const std::vector<std::size_t>& numbers, unsigned threads) {
    const std::size_t groups = numbers[0];
    Convolver<T> here{kernels, {}, std::size_t(input.shape(0)), groups, std::size_t(kernel.shape(0)) / groups,
                      input.stride(0), threads};
    Windows& windows = here.windows;
    windows.channels = std::size_t(kernel.shape(1));
    windows.channel = input.stride(1);
    windows.terms = windows.channels;
    windows.places = 1;
    for (int axis = 0; axis < 3; ++axis) {
        const std::size_t* given = &numbers[1 + 4 * std::size_t(axis)];
        windows.side[axis] = {input.shape(axis + 2), output.shape(axis + 2), kernel.shape(axis + 2),
                              output.shape(axis + 2) > 1 ? std::ptrdiff_t(given[1]) : 1, std::ptrdiff_t(given[2]),
                              kernel.shape(axis + 2) > 1 ? std::ptrdiff_t(given[3]) : 1,
                              input.stride(axis + 2)};
        require(given[0] == std::size_t(kernel.shape(axis + 2)) && given[1] > 0, "the kernel has another shape");
        windows.terms *= std::size_t(kernel.shape(axis + 2));
        windows.places *= std::size_t(output.shape(axis + 2));
    }
    require(input.shape(1) == Py_ssize_t(windows.channels * groups) && kernel.shape(0) % Py_ssize_t(groups) == 0 &&
                output.shape(0) == input.shape(0) && output.shape(1) == kernel.shape(0),
            "input, kernel and output do not go together");
    if (!here.batch || !here.outputs || !windows.terms || !windows.places) return;
    const Unlocked unlocked(here.batch * groups * here.outputs * windows.terms * windows.places / 4);
    if (result == to_output) here.to_output(x, w, const_cast<T*>(y));
    else if (result == to_input) here.to_input(w, y, const_cast<char*>(x));
    else here.to_kernel(x, y, const_cast<T*>(w));
}

// The one of input, kernel and output that `result` names, which is zeros before, from the two others in that order.
template <class T>
void convolve_words(const WordKernels& kernels, int result, nb::handle first, nb::handle second, const Out& out,
                    const std::vector<std::size_t>& numbers, unsigned threads) {
    if (result == to_input) {
        const In kernel(first), output(second);
        return run<T>(kernels, result, out, out.data<char>(), kernel, kernel.data<T>(), output, output.data<T>(),
                      numbers, threads);
    }
    const Strided input(first);
    const In other(second);
    if (result == to_output)
        return run<T>(kernels, result, input, input.data(), other, other.data<T>(), out, out.data<T>(), numbers, threads);
    run<T>(kernels, result, input, input.data(), out, out.data<T>(), other, other.data<T>(), numbers, threads);
}

void convolve(const Handle& self, int result, nb::handle first, nb::handle second, nb::handle out_,
              const std::vector<std::size_t>& numbers, unsigned threads) {
    const Out out(out_);
    for (const nb::handle one : {first, second}) {
        const Strided array(one);
        require(array.ndim() == 5 && array.word_bytes() == out.word_bytes(), "convolutions are of five axes, in one ring");
    }
    require(out.ndim() == 5 && out.word_bytes() >= 8, "there are convolutions of words of 8 and 16 bytes, in five axes");
    require(result >= to_output && result <= to_kernel && numbers.size() == 13 && numbers[0] > 0,
            "a convolution has groups, and four numbers for each of three axes");
    const WordKernels& kernels = self.words(out);
    if (out.word_bytes() == 8) convolve_words<u64>(kernels, result, first, second, out, numbers, threads);
    else convolve_words<u128>(kernels, result, first, second, out, numbers, threads);
}

}  // namespace

void bind_convolve(nb::class_<Handle>& handle) { handle.def("convolve", &convolve); }

}  // namespace tercet
