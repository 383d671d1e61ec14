// Bits: packing, bit planes (64 x 64 transposition of eight blocks at a time) and tight m-bit fields.
#pragma once
#include <cstring>
#include <type_traits>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "words.hpp"

namespace {

static void pack_bits(size n, const std::uint8_t* in, u64* out) {
    const size whole = n / 64;
    for (size i = 0; i < whole; ++i, in += 64) {
        u64 word = 0;
        for (unsigned k = 0; k < 8; ++k) {
            u64 eight;  // eight bytes of 0 or 1: the product gathers their low bits in its top byte
            std::memcpy(&eight, in + 8 * k, 8);
            word |= (((eight & 0x0101010101010101u) * 0x0102040810204080u) >> 56) << (8 * k);
        }
        out[i] = word;
    }
    if (n % 64) {
        u64 word = 0;
        for (unsigned k = 0; k < n % 64; ++k) word |= u64(in[k] & 1) << k;
        out[whole] = word;
    }
}

static void unpack_bits(size n, const u64* in, std::uint8_t* out) {
    const size whole = n / 64;
    for (size i = 0; i < whole; ++i, out += 64) {
        for (unsigned k = 0; k < 8; ++k) {
            const u64 byte = (in[i] >> (8 * k)) & 0xff;  // copied to all bytes, bit k kept in byte k, moved to its lowest bit
            u64 eight = (byte * 0x0101010101010101u) & 0x8040201008040201u;
            eight = ((eight + 0x7f7f7f7f7f7f7f7fu) | eight) >> 7 & 0x0101010101010101u;
            std::memcpy(out + 8 * k, &eight, 8);
        }
    }
    for (unsigned k = 0; k < n % 64; ++k) out[k] = (in[whole] >> k) & 1;
}

// Rows of bits that stand one behind the other, each into words of its own; what the last one holds beyond is 0.
static void split_rows(size rows, size length, const u64* in, u64* out) {
    const size width = (length + 63) / 64, words = (rows * length + 63) / 64;
    for (size r = 0; r < rows; ++r, out += width) {
        const size first = r * length / 64;
        const unsigned shift = r * length % 64;
        for (size i = 0; i < width; ++i) {
            out[i] = in[first + i] >> shift;
            if (shift && first + i + 1 < words) out[i] |= in[first + i + 1] << (64 - shift);
        }
        if (length % 64) out[width - 1] &= (u64(1) << length % 64) - 1;
    }
}

// The way back; what stands beyond the end of a row does not count.
static void join_rows(size rows, size length, const u64* in, u64* out) {
    const size width = (length + 63) / 64, words = (rows * length + 63) / 64;
    for (size i = 0; i < words; ++i) out[i] = 0;
    for (size r = 0; r < rows; ++r, in += width) {
        const size first = r * length / 64;
        const unsigned shift = r * length % 64;
        for (size i = 0; i < width; ++i) {
            const u64 word = i + 1 < width || length % 64 == 0 ? in[i] : in[i] & ((u64(1) << length % 64) - 1);
            out[first + i] |= word << shift;
            if (shift && first + i + 1 < words) out[first + i + 1] |= word >> (64 - shift);
        }
    }
}

constexpr unsigned LANES = 8;  // blocks of 64 words transposed side by side
using Lane = u64 __attribute__((vector_size(8 * LANES)));

// One butterfly pass: swaps the off-diagonal blocks of side J in every lane.
template <unsigned J> TERCET_INLINE void swap_blocks(Lane* x, u64 mask) {
    for (unsigned high = 0; high < 64; high += 2 * J) {
        for (unsigned i = high; i < high + J; ++i) {
            const Lane swap = ((x[i] >> J) ^ x[i + J]) & mask;
            x[i + J] ^= swap;
            x[i] ^= swap << J;
        }
    }
}
static void transpose64(Lane* x) {
    swap_blocks<32>(x, 0x00000000ffffffffu);
    swap_blocks<16>(x, 0x0000ffff0000ffffu);
    swap_blocks<8>(x, 0x00ff00ff00ff00ffu);
    swap_blocks<4>(x, 0x0f0f0f0f0f0f0f0fu);
    swap_blocks<2>(x, 0x3333333333333333u);
    swap_blocks<1>(x, 0x5555555555555555u);
}

// Plane j of `bits` <= 64 from the words a[0], a[stride], ...; out is (bits, width).
template <class L> static void planes_of(size n, const L* a, size stride, unsigned bits, size width, u64* out) {
    alignas(64) u64 block[64][LANES];
    for (size at = 0; at < width; at += LANES) {
        const unsigned lanes = width - at < LANES ? unsigned(width - at) : LANES;
        for (unsigned lane = 0; lane < LANES; ++lane) {
            const size first = (at + lane) * 64;
            const unsigned have = first >= n ? 0 : n - first < 64 ? unsigned(n - first) : 64;
            const L* from = a + first * stride;
            for (unsigned i = 0; i < have; ++i) block[i][lane] = from[i * stride];
            for (unsigned i = have; i < 64; ++i) block[i][lane] = 0;
        }
        transpose64(reinterpret_cast<Lane*>(block));
        if (lanes == LANES)
            for (unsigned j = 0; j < bits; ++j) std::memcpy(out + j * width + at, block[j], sizeof block[j]);
        else
            for (unsigned j = 0; j < bits; ++j) std::memcpy(out + j * width + at, block[j], lanes * sizeof(u64));
    }
}

template <class L>
static void words_of(size n, const u64* planes, unsigned bits, size width, size stride, L* out) {
    if (bits == 1 && stride == 1) {
        for (size at = 0; at < width; ++at, out += 64) {
            const unsigned want = n - at * 64 < 64 ? unsigned(n - at * 64) : 64;
            if (want == 64)
                for (unsigned i = 0; i < 64; ++i) out[i] = L(planes[at] >> i & 1);
            else
                for (unsigned i = 0; i < want; ++i) out[i] = L(planes[at] >> i & 1);
        }
        return;
    }
    alignas(64) u64 block[64][LANES];
    for (size at = 0; at < width; at += LANES) {
        const unsigned lanes = width - at < LANES ? unsigned(width - at) : LANES;
        for (unsigned j = 0; j < bits; ++j) std::memcpy(block[j], planes + j * width + at, lanes * sizeof(u64));
        for (unsigned j = bits; j < 64; ++j) std::memset(block[j], 0, sizeof block[j]);
        transpose64(reinterpret_cast<Lane*>(block));
        for (unsigned lane = 0; lane < lanes; ++lane) {
            const size first = (at + lane) * 64;
            const unsigned want = n - first < 64 ? unsigned(n - first) : 64;
            L* to = out + first * stride;
            for (unsigned i = 0; i < want; ++i) to[i * stride] = L(block[i][lane]);
        }
    }
}

template <class T> struct Planes {
    using Limb = std::conditional_t<sizeof(T) == 4, u32, u64>;
    static constexpr size limbs = sizeof(T) / sizeof(Limb);
    static unsigned part(unsigned bits, unsigned limb) {
        return bits <= 64 * limb ? 0 : bits - 64 * limb < 64 ? bits - 64 * limb : 64;
    }
    static void to(size n, const void* a, unsigned bits, u64* out) {
        const size width = (n + 63) / 64;
        for (unsigned limb = 0; limb < limbs && part(bits, limb); ++limb)
            planes_of(n, static_cast<const Limb*>(a) + limb, limbs, part(bits, limb), width, out + 64 * limb * width);
    }
    static void from(size n, const u64* planes, unsigned bits, void* out) {
        const size width = (n + 63) / 64;
        for (unsigned limb = 0; limb < limbs; ++limb)
            words_of(n, planes + 64 * limb * width, part(bits, limb), width, limbs, static_cast<Limb*>(out) + limb);
    }
};

// Fields of m bits, little-endian, without gaps. Words are read and written eight bytes at a time, byte by byte at the end.
template <class T> struct Fields {
    using Tr = Traits<T>;

    // Fields as wide as an integer type: loops that become vector instructions.
    template <class Narrow> static void narrow(size n, const T* a, std::uint8_t* out) {
        for (size i = 0; i < n; ++i) {
            const Narrow value = Narrow(Tr::low64(a[i]));
            std::memcpy(out + i * sizeof value, &value, sizeof value);
        }
    }
    template <class Narrow> static void widen(size n, const std::uint8_t* in, T* out) {
        for (size i = 0; i < n; ++i) {
            Narrow value;
            std::memcpy(&value, in + i * sizeof value, sizeof value);
            out[i] = Tr::of(value);
        }
    }

    // Eight fields are m whole bytes: two fields at a time, each store completed by the next. Gives how many are packed.
    static size pairs(size n, const T* a, unsigned m, std::uint8_t* out) {
        const size total = (n * m + 7) / 8;
        const u64 mask = (u64(1) << m) - 1;
        unsigned at[4], skip[4];
        for (unsigned pair = 0; pair < 4; ++pair) at[pair] = 2 * pair * m / 8, skip[pair] = 2 * pair * m % 8;
        size i = 0;
        for (size from = 0; i + 8 <= n && from + at[3] + 8 <= total; i += 8, from += m) {
            u64 both[4];
            for (unsigned pair = 0; pair < 4; ++pair) {
                const u64 low = Tr::low64(a[i + 2 * pair]) & mask, high = Tr::low64(a[i + 2 * pair + 1]) & mask;
                both[pair] = (low | high << m) << skip[pair];
            }
            for (unsigned pair = 0; pair < 4; ++pair) {
                if (pair && skip[pair]) both[pair] |= both[pair - 1] >> 8 * (at[pair] - at[pair - 1]);
                std::memcpy(out + from + at[pair], both + pair, 8);
            }
        }
        return i;
    }

    static void pack(size n, const void* a_, unsigned m, std::uint8_t* out) {
        const T *a = static_cast<const T*>(a_), mask = low_mask<T>(m);
        const size bytes = m / 8, total = (n * m + 7) / 8;
        const std::uint8_t* end = out + total;
        if (m == 8) return narrow<std::uint8_t>(n, a, out);
        if (m == 16) return narrow<std::uint16_t>(n, a, out);
        if (m == 32) return narrow<std::uint32_t>(n, a, out);
        if (m % 8 == 0) {  // whole bytes: each store may spill over the next field, which is written after it
            size i = 0;
            for (; i * bytes + sizeof(T) <= total; ++i) std::memcpy(out + i * bytes, a + i, sizeof(T));
            for (; i < n; ++i) std::memcpy(out + i * bytes, a + i, bytes);
            return;
        }
        u64 pending = 0;
        unsigned fill = 0;  // bits in `pending`, always < 64
        size i = 0;
        if (m <= 28) i = pairs(n, a, m, out);
        out += i / 8 * m;
        if (m <= 56) {  // without branches: eight bytes are stored, of which only the whole ones count
            for (const std::uint8_t* safe = end - 8; i < n && total >= 8 && out <= safe; ++i) {
                pending |= Tr::low64(a[i] & mask) << fill;
                std::memcpy(out, &pending, 8);
                fill += m;
                out += fill / 8;
                pending >>= fill & ~7u;
                fill &= 7;
            }
        }
        for (; i < n; ++i) {
            T value = a[i] & mask;
            for (unsigned left = m; left;) {
                const unsigned take = left < 64 ? left : 64;
                const u64 piece = Tr::low64(value);
                pending |= piece << fill;
                if (fill + take >= 64) {
                    std::memcpy(out, &pending, 8);
                    out += 8;
                    pending = fill ? piece >> (64 - fill) : 0;
                    fill = fill + take - 64;
                } else {
                    fill += take;
                }
                left -= take;
                if constexpr (sizeof(T) == 16) value = value >> 64;
            }
        }
        std::memcpy(out, &pending, (fill + 7) / 8);
    }

#if defined(__AVX2__)
    // Eight fields of at most 25 bits are m bytes: four windows of four bytes from each of two reads. Gives how many.
    static size eights(size n, const std::uint8_t* in, unsigned m, u32* out) {
        const size total = (n * m + 7) / 8, half = 4 * m / 8;
        alignas(32) std::uint8_t bytes[32];
        alignas(32) u32 skip[8];
        for (unsigned field = 0; field < 8; ++field) {
            const unsigned bit = field < 4 ? field * m : field * m - 8 * unsigned(half);
            for (unsigned k = 0; k < 4; ++k) bytes[4 * field + k] = std::uint8_t(bit / 8 + k);
            skip[field] = bit % 8;
        }
        const __m256i windows = _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes));
        const __m256i shifts = _mm256_load_si256(reinterpret_cast<const __m256i*>(skip));
        const __m256i mask = _mm256_set1_epi32(int((1u << m) - 1));
        size i = 0;
        for (; i + 8 <= n && i / 8 * m + half + 16 <= total; i += 8) {
            const std::uint8_t* from = in + i / 8 * m;
            const __m256i raw = _mm256_inserti128_si256(
                _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))),
                _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + half)), 1);
            const __m256i fields = _mm256_srlv_epi32(_mm256_shuffle_epi8(raw, windows), shifts);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm256_and_si256(fields, mask));
        }
        return i;
    }
#endif

    static void unpack(size n, const std::uint8_t* in, unsigned m, void* out_) {
        T *out = static_cast<T*>(out_), mask = low_mask<T>(m);
        if (m == 8) return widen<std::uint8_t>(n, in, out);
        if (m == 16) return widen<std::uint16_t>(n, in, out);
        if (m == 32) return widen<std::uint32_t>(n, in, out);
        const size total = (n * m + 7) / 8;
        size i = 0;
#if defined(__AVX2__)
        if constexpr (sizeof(T) == 4)
            if (m <= 25) i = eights(n, in, m, out);
#endif
        using Read = std::conditional_t<sizeof(T) == 4, u64, T>;
        if (m + 7 <= Traits<Read>::bits)
            for (size bit = i * m; i < n && bit / 8 + sizeof(Read) <= total; ++i, bit += m) {
                Read value;
                std::memcpy(&value, in + bit / 8, sizeof(Read));
                value = value >> unsigned(bit % 8);
                if constexpr (sizeof(T) == 4) out[i] = T(value) & mask;
                else out[i] = value & mask;
            }
        for (; i < n; ++i) {
            const size from = i * m / 8;
            const unsigned skip = unsigned(i * m % 8);
            T value = Tr::of(0);
            if (from + sizeof(T) <= total) std::memcpy(&value, in + from, sizeof(T));
            else std::memcpy(&value, in + from, total - from);
            value = value >> skip;
            if (skip + m > Tr::bits) value = value + (Tr::of(in[from + sizeof(T)]) << (Tr::bits - skip));
            out[i] = value & mask;
        }
    }
};

}  // namespace
