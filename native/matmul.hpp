// Matrix product: operands are packed into panels (which takes care of any strides), blocked for the caches, and a
// register-blocked micro kernel does a tile of the result. Engines differ in word and instruction set: matmul64.hpp,
// matmul128.hpp.
#pragma once
#include <cstdlib>
#include <cstring>

#include "table.hpp"
#include "words.hpp"

namespace {

template <class T> TERCET_INLINE T at(tercet::Matrix m, size i, size j) {
    T value;
    std::memcpy(&value, m.data + std::ptrdiff_t(i) * m.row + std::ptrdiff_t(j) * m.col, sizeof(T));
    return value;
}

// Where the result goes: element (i, j) at data[i * row + j * col].
template <class T> struct Result {
    T* data;
    size row, col;
};

constexpr size round_up(size n, size step) { return (n + step - 1) / step * step; }
constexpr size smaller(size a, size b) { return a < b ? a : b; }

// An engine gives: T; MR x NR, the tile; KC, MC, NC, the blocks; LIMBS, u64 packed per word;
//   split(T, u64*, pitch): the limbs of a word, `pitch` apart; or else pack<WIDTH>(from, have, depth, panel), all of them;
//   tile(rows, cols, depth, a, b, T* out): out[r * NR + c] = the tile's products, from packed panels.
template <class Engine> struct Gemm {
    using T = typename Engine::T;
    static constexpr size MR = Engine::MR, NR = Engine::NR, LIMBS = Engine::LIMBS;

    // panel[(k * LIMBS + limb) * WIDTH + i] = limb of element (first + i, k0 + k) of m; beyond `have` zeros, as far as the
    // tile reads: whole vectors of at most eight
    template <size WIDTH>
    static void pack(tercet::Matrix m, size first, size have, size k0, size depth, u64* panel) {
        const tercet::Matrix from{m.data + std::ptrdiff_t(first) * m.row + std::ptrdiff_t(k0) * m.col, m.row, m.col};
        const size filled = smaller(WIDTH, round_up(have, 8));
        if (have == WIDTH && LIMBS == 1 && from.row == std::ptrdiff_t(sizeof(T))) {
            for (size k = 0; k < depth; ++k)
                std::memcpy(panel + k * WIDTH, from.data + std::ptrdiff_t(k) * from.col, WIDTH * sizeof(T));
        } else if (have == WIDTH && from.row == std::ptrdiff_t(sizeof(T))) {
            for (size k = 0; k < depth; ++k)
                for (size i = 0; i < WIDTH; ++i) Engine::split(at<T>(from, i, k), panel + k * LIMBS * WIDTH + i, WIDTH);
        } else if (from.row == std::ptrdiff_t(sizeof(T))) {
            for (size k = 0; k < depth; ++k) {
                u64* to = panel + k * LIMBS * WIDTH;
                for (size i = 0; i < have; ++i) Engine::split(at<T>(from, i, k), to + i, WIDTH);
                for (size i = have; i < filled; ++i) Engine::split(Traits<T>::of(0), to + i, WIDTH);
            }
        } else {
            for (size i = 0; i < have; ++i)
                for (size k = 0; k < depth; ++k)
                    Engine::split(at<T>(from, i, k), panel + k * LIMBS * WIDTH + i, WIDTH);
            for (size i = have; i < filled; ++i)
                for (size k = 0; k < depth; ++k)
                    Engine::split(Traits<T>::of(0), panel + k * LIMBS * WIDTH + i, WIDTH);
        }
    }

    template <size WIDTH>
        requires requires { &Engine::template pack<WIDTH>; }
    static void pack(tercet::Matrix m, size first, size have, size k0, size depth, u64* panel) {
        const char* from = m.data + std::ptrdiff_t(first) * m.row + std::ptrdiff_t(k0) * m.col;
        Engine::template pack<WIDTH>({from, m.row, m.col}, have, depth, panel);
    }

    static void store(size rows, size cols, const T* tile, bool first, Result<T> c) {
        for (size r = 0; r < rows; ++r) {
            T* to = c.data + r * c.row;
            const T* from = tile + r * NR;
            if (c.col == 1) {
                if (first)
                    for (size j = 0; j < cols; ++j) to[j] = from[j];
                else
                    for (size j = 0; j < cols; ++j) to[j] = to[j] + from[j];
            } else {
                for (size j = 0; j < cols; ++j) to[j * c.col] = first ? from[j] : to[j * c.col] + from[j];
            }
        }
    }

    // c = a @ bt^T, with b given transposed so that both operands are packed alike
    static void blocked(size rows, size cols, size depth, tercet::Matrix a, tercet::Matrix bt, Result<T> c) {
        const size kc = smaller(depth, Engine::KC), mc = smaller(round_up(rows, MR), Engine::MC);
        const size nc = smaller(round_up(cols, NR), Engine::NC);
        u64* room = static_cast<u64*>(std::aligned_alloc(64, round_up((mc + nc) * kc * LIMBS * 8 + 64, 64)));
        if (!room) std::abort();
        u64 *packed_b = room, *packed_a = room + round_up(nc * kc * LIMBS, 8);
        alignas(64) T tile[MR * NR];
        for (size j0 = 0; j0 < cols; j0 += nc) {
            const size js = smaller(nc, cols - j0);
            for (size k0 = 0; k0 < depth; k0 += kc) {
                const size ks = smaller(kc, depth - k0);
                for (size j = 0; j < js; j += NR)
                    pack<NR>(bt, j0 + j, smaller(NR, js - j), k0, ks, packed_b + j * ks * LIMBS);
                for (size i0 = 0; i0 < rows; i0 += mc) {
                    const size is = smaller(mc, rows - i0);
                    for (size i = 0; i < is; i += MR)
                        pack<MR>(a, i0 + i, smaller(MR, is - i), k0, ks, packed_a + i * ks * LIMBS);
                    for (size j = 0; j < js; j += NR) {
                        for (size i = 0; i < is; i += MR) {
                            const size tr = smaller(MR, is - i), tc = smaller(NR, js - j);
                            Engine::tile(tr, tc, ks, packed_a + i * ks * LIMBS, packed_b + j * ks * LIMBS, tile);
                            store(tr, tc, tile, k0 == 0,
                                  {c.data + (i0 + i) * c.row + (j0 + j) * c.col, c.row, c.col});
                        }
                    }
                }
            }
        }
        std::free(room);
    }

    static void tiny(size rows, size cols, size depth, tercet::Matrix a, tercet::Matrix b, T* out,
                     size pitch) {
        for (size i = 0; i < rows; ++i, out += pitch) {
            for (size j = 0; j < cols; ++j) {
                T total = Traits<T>::of(0);
                for (size k = 0; k < depth; ++k) total = total + at<T>(a, i, k) * at<T>(b, k, j);
                out[j] = total;
            }
        }
    }

    static void matmul(size rows, size cols, size depth, tercet::Matrix a, tercet::Matrix b, void* out_,
                       size pitch) {
        T* out = static_cast<T*>(out_);
        if (rows * cols * depth <= 1024) return tiny(rows, cols, depth, a, b, out, pitch);
        const tercet::Matrix bt{b.data, b.col, b.row};
        // the side of the tile that is wide takes the longer side of the result
        const size straight = round_up(rows, MR) * round_up(cols, NR), turned = round_up(rows, NR) * round_up(cols, MR);
        if (turned < straight) blocked(cols, rows, depth, bt, a, {out, 1, pitch});
        else blocked(rows, cols, depth, a, bt, {out, pitch, 1});
    }
};

}  // namespace
