// Entries of a public table at shared places: the local part of a replicated product of one-hot bits (protocols.lookup).
#pragma once
#include <cstring>

#include "words.hpp"

namespace {

#if defined(__AVX512F__)
constexpr size CHOSEN_BYTES = 64;
#elif defined(__AVX2__)
constexpr size CHOSEN_BYTES = 32;
#else
constexpr size CHOSEN_BYTES = 16;
#endif
using Chosen = u64 __attribute__((vector_size(CHOSEN_BYTES)));  // columns, as many as one register takes

// out[r] = the exclusive or over i, j where table[r] has bit i * low + j of high_i AND low_j, each of them a sharing of
// which this party has `own` and `next`; rows of `width` words, of which [from, end) are computed. Four rows of the
// lower half are taken together: their 16 sums are made once for each vector of columns. `low` is a multiple of 4 that
// divides 64 or is divided by it; `sums` has room for 8 * low vectors.
static void table_product(size rows, size high, size low, size width, size from, size end, const u64* high_own,
                          const u64* high_next, const u64* low_own, const u64* low_next, const u64* table, size pitch,
                          void* sums, u64* out) {
    Chosen* const own = static_cast<Chosen*>(sums);
    Chosen* const both = own + low * 4;
    for (size at = from; at < end; at += CHOSEN_BYTES / 8) {
        const size bytes = end - at < CHOSEN_BYTES / 8 ? (end - at) * 8 : CHOSEN_BYTES;
        const auto load = [&](const u64* row) {
            Chosen found = {};
            if (bytes == CHOSEN_BYTES) std::memcpy(&found, row + at, CHOSEN_BYTES);
            else std::memcpy(&found, row + at, bytes);
            return found;
        };
        for (size group = 0; group < low / 4; ++group) {
            Chosen *mine = own + 16 * group, *sum = both + 16 * group;
            mine[0] = sum[0] = Chosen{};
            for (unsigned bit = 0; bit < 4; ++bit) {
                const size row = 4 * group + bit;
                const Chosen first = load(low_own + row * width), second = first ^ load(low_next + row * width);
                for (unsigned k = 0; k < 1u << bit; ++k) {
                    mine[k + (1u << bit)] = mine[k] ^ first;
                    sum[k + (1u << bit)] = sum[k] ^ second;
                }
            }
        }
        for (size r = 0; r < rows; ++r) {
            Chosen total = {};
            for (size i = 0; i < high; ++i) {
                Chosen a = {}, b = {};
                const u64* bits = table + r * pitch + i * low / 64;
                u64 word = bits[0] >> i * low % 64;
                for (size group = 0; group < low / 4; ++group) {
                    if (group && group % 16 == 0) word = *++bits;
                    a ^= own[16 * group + (word & 15)];
                    b ^= both[16 * group + (word & 15)];
                    word >>= 4;
                }
                total ^= (load(high_own + i * width) & b) ^ (load(high_next + i * width) & a);
            }
            std::memcpy(out + r * width + at, &total, bytes);
        }
    }
}

}  // namespace
