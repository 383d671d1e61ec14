// Arithmetic modulo small primes on bytes, for the three-round comparison (protocols 5.6). Matrices are (rows, n) bytes;
// they are worked on in blocks of 64 columns, which is a word of each bit plane.
#pragma once
#include <cstring>

#include "planes.hpp"
#include "words.hpp"

namespace {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
constexpr size COLUMNS = 64;
constexpr size MOST_DIGITS = 66;
using Row = u8[COLUMNS];

// out[place * words + i] = the place-th digit of the 128-bit fraction in[i], in base `modulus`
static void residues_draw(size n, const u8* in, unsigned modulus, unsigned per_word, u8* out) {
    const size words = (n + per_word - 1) / per_word;
    u64 limb[4][COLUMNS];
    for (size at = 0; at < words; at += COLUMNS) {
        const size have = words - at < COLUMNS ? words - at : COLUMNS;
        for (size i = 0; i < have; ++i) {
            u64 pair[2];
            std::memcpy(pair, in + (at + i) * 16, 16);
            limb[0][i] = u32(pair[0]);
            limb[1][i] = pair[0] >> 32;
            limb[2][i] = u32(pair[1]);
            limb[3][i] = pair[1] >> 32;
        }
        for (size i = have; i < COLUMNS; ++i) limb[0][i] = limb[1][i] = limb[2][i] = limb[3][i] = 0;
        for (unsigned place = 0; place < per_word; ++place) {
            Row digit;
            for (size i = 0; i < COLUMNS; ++i) {
                u64 sum = limb[0][i] * modulus;
                limb[0][i] = u32(sum);
                sum = limb[1][i] * modulus + (sum >> 32);
                limb[1][i] = u32(sum);
                sum = limb[2][i] * modulus + (sum >> 32);
                limb[2][i] = u32(sum);
                sum = limb[3][i] * modulus + (sum >> 32);
                limb[3][i] = u32(sum);
                digit[i] = u8(sum >> 32);
            }
            const size to = place * words + at;
            if (to < n) std::memcpy(out + to, digit, n - to < have ? n - to : have);
        }
    }
}

TERCET_INLINE void load_row(Row& to, const u8* from, size have) {
    if (have == COLUMNS) std::memcpy(to, from, COLUMNS);
    else {
        std::memset(to, 0, COLUMNS);
        std::memcpy(to, from, have);
    }
}

template <unsigned P, unsigned FIELD> struct Residues {
    static constexpr size BATCH = 64;  // fields worked on side by side

    static void pack(size n, const u8* in, u8* out) {
        u64 pending = 0;
        unsigned fill = 0;
        for (size at = 0; at < n; at += 4 * BATCH) {
            const size have = n - at < 4 * BATCH ? n - at : 4 * BATCH, fields = (have + 3) / 4;
            u32 four[BATCH], field[BATCH];
            std::memcpy(four, in + at, have);
            if (have % 4) std::memset(reinterpret_cast<u8*>(four) + have, 0, 4 - have % 4);
            for (size i = fields; i < BATCH; ++i) four[i] = 0;
            for (size i = 0; i < BATCH; ++i) {
                const u32 x = four[i];
                field[i] = (x & 255) + P * (x >> 8 & 255) + P * P * (x >> 16 & 255) + P * P * P * (x >> 24);
            }
            for (size i = 0; i < fields; ++i) {
                pending |= u64(field[i]) << fill;
                fill += FIELD;
                if (fill >= 32) {
                    const u32 word = u32(pending);
                    std::memcpy(out, &word, 4);
                    out += 4;
                    pending >>= 32;
                    fill -= 32;
                }
            }
        }
        std::memcpy(out, &pending, (fill + 7) / 8);
    }
    static void unpack(size n, const u8* in, u8* out) {
        const size total = ((n + 3) / 4 * FIELD + 7) / 8;
        for (size at = 0; at < n; at += 4 * BATCH) {
            const size have = n - at < 4 * BATCH ? n - at : 4 * BATCH, fields = (have + 3) / 4;
            u32 field[BATCH] = {}, four[BATCH];
            for (size i = 0; i < fields; ++i) {
                const size bit = (at / 4 + i) * FIELD, from = bit / 8;
                u64 word = 0;
                if (from + 8 <= total) std::memcpy(&word, in + from, 8);
                else std::memcpy(&word, in + from, total - from);
                field[i] = u32(word >> (bit % 8)) & ((1u << FIELD) - 1);
            }
            for (size i = 0; i < BATCH; ++i) {
                const u32 high = field[i] / (P * P), low = field[i] % (P * P);
                four[i] = low % P | low / P << 8 | high % P << 16 | high / P % P << 24;
            }
            std::memcpy(out + at, four, have);
        }
    }

    TERCET_INLINE u8 reduce(unsigned value) { return u8(value >= P ? value - P : value); }  // value < 2 P

    static void deal(size low, size n, const u64* planes, const u8* own, u8* out) {
        const size pairs = (low - 1) / 2, width = (n + COLUMNS - 1) / COLUMNS;
        const bool single = (low - 1) % 2;
        for (size word = 0; word < width; ++word) {
            const size at = word * COLUMNS, have = n - at < COLUMNS ? n - at : COLUMNS;
            size row = 0;
            const auto emit = [&](const Row& hot) {
                Row mine, theirs;
                load_row(mine, own + row * n + at, have);
                for (size i = 0; i < COLUMNS; ++i) theirs[i] = reduce(hot[i] + P - mine[i]);
                std::memcpy(out + row * n + at, theirs, have);
                ++row;
            };
            // a bit of r, which is 1 where that of NOT r is 0
            const auto bits = [&](size plane, Row& to) { unpack_bits(COLUMNS, planes + plane * width + word, to); };
            Row a, b, hot;
            if (single) {
                bits(low - 1, a);
                emit(a);
            }
            for (size pair = pairs; pair-- > 0;) {
                bits(2 * pair + 1, a);
                bits(2 * pair + 2, b);
                for (size i = 0; i < COLUMNS; ++i) hot[i] = a[i] & b[i];
                emit(hot);
                for (size i = 0; i < COLUMNS; ++i) hot[i] = u8(~a[i] & b[i]);
                emit(hot);
                for (size i = 0; i < COLUMNS; ++i) hot[i] = u8(a[i] & ~b[i]);
                emit(hot);
            }
            bits(0, a);
            emit(a);
        }
    }

    static void blind(size low, size n, const u64* planes, const u8* share, unsigned total, const u64* coin,
                      const u8* scale, const u8* zero, const u8* turn, bool negative, u8* out) {
        const size pairs = (low - 1) / 2, width = (n + COLUMNS - 1) / COLUMNS;
        const bool single = (low - 1) % 2;
        const size digits = 1 + pairs + single;
        Row buffers[2][MOST_DIGITS];
        for (size word = 0; word < width; ++word) {
            const size at = word * COLUMNS, have = n - at < COLUMNS ? n - at : COLUMNS;
            Row differ = {}, flip, a, b, s0, s1, s2;
            Row* z = buffers[0];
            unpack_bits(COLUMNS, coin + word, flip);
            size row = 0, digit = 0;
            const auto bits = [&](size plane, Row& to) { unpack_bits(COLUMNS, planes + plane * width + word, to); };
            const auto entry = [&](Row& to) { load_row(to, share + row++ * n + at, have); };
            const auto blinded = [&](const Row& open) {
                Row factor, mask;
                load_row(factor, scale + digit * n + at, have);
                load_row(mask, zero + digit * n + at, have);
                for (size i = 0; i < COLUMNS; ++i) {
                    const u16 value = u16(u16(open[i]) * factor[i] + (negative ? P - mask[i] : mask[i]));
                    z[digit][i] = u8(value % P);
                }
                ++digit;
            };
            Row open;
            if (single) {
                bits(low - 1, a);
                entry(s0);
                for (size i = 0; i < COLUMNS; ++i) {
                    const unsigned s = s0[i], last = reduce(total + P - s);
                    const unsigned equal = a[i] ? last : s, less = a[i] ? s : 0;
                    const unsigned more = reduce(reduce(total + P - equal) + P - less);
                    open[i] = reduce(total + P - (flip[i] ? more : less));
                    differ[i] = reduce(total + P - equal);
                }
                blinded(open);
            }
            for (size pair = pairs; pair-- > 0;) {
                bits(2 * pair + 1, a);
                bits(2 * pair + 2, b);
                entry(s0);
                entry(s1);
                entry(s2);
                for (size i = 0; i < COLUMNS; ++i) {
                    const u8 x0 = s0[i], x01 = reduce(s0[i] + s1[i]), x012 = reduce(x01 + s2[i]);
                    const u8 x3 = reduce(total + P - x012);
                    const u8 equal = b[i] ? (a[i] ? x3 : s2[i]) : (a[i] ? s1[i] : x0);
                    const u8 less = b[i] ? (a[i] ? x012 : x01) : (a[i] ? x0 : u8(0));
                    const u8 other = reduce(total + P - equal);
                    const u8 more = reduce(other + P - less);
                    const u8 way = flip[i] ? more : less;
                    open[i] = reduce(reduce(differ[i] + total) + P - way);
                    differ[i] = reduce(differ[i] + other);
                }
                blinded(open);
            }
            bits(0, a);
            entry(s0);
            for (size i = 0; i < COLUMNS; ++i) {
                const u8 less = a[i] ? s0[i] : u8(0), more = reduce(total + P - less), way = flip[i] ? more : less;
                open[i] = reduce(reduce(differ[i] + total) + P - way);
            }
            blinded(open);
            // rows are turned by a barrel shifter, one power of two at a time
            Row places;
            load_row(places, turn + at, have);
            Row* next = buffers[1];
            for (size step = 1; step < digits; step *= 2) {
                Row moves;
                for (size i = 0; i < COLUMNS; ++i) moves[i] = (places[i] & step) ? 0xff : 0;
                for (size to = 0; to < digits; ++to) {
                    const u8 *stay = z[to], *come = z[to >= step ? to - step : to + digits - step];
                    u8* target = next[to];
                    for (size i = 0; i < COLUMNS; ++i) target[i] = u8((come[i] & moves[i]) | (stay[i] & ~moves[i]));
                }
                Row* swap = z;
                z = next;
                next = swap;
            }
            for (size d = 0; d < digits; ++d) std::memcpy(out + d * n + at, z[d], have);
        }
    }

    static void zero_among(size rows, size n, const u8* a, const u8* b, u64* out) {
        for (size at = 0; at < n; at += COLUMNS) {
            const size have = n - at < COLUMNS ? n - at : COLUMNS;
            Row found = {}, x, y;
            for (size row = 0; row < rows; ++row) {
                load_row(x, a + row * n + at, have);
                load_row(y, b + row * n + at, have);
                for (size i = 0; i < COLUMNS; ++i) {
                    const u8 sum = u8(x[i] + y[i]);
                    found[i] |= u8((sum == 0) | (sum == P));
                }
            }
            pack_bits(have, found, out + at / COLUMNS);
        }
    }
};

template <class F> static void with_prime(unsigned p, F&& f) {
    switch (p) {
        case 5: return f(Residues<5, 10>{});
        case 11: return f(Residues<11, 14>{});
        case 19: return f(Residues<19, 17>{});
        case 37: return f(Residues<37, 21>{});
        case 67: return f(Residues<67, 25>{});
    }
}

static void residues_pack(size n, const u8* in, unsigned p, u8* out) {
    with_prime(p, [&](auto of) { of.pack(n, in, out); });
}
static void residues_unpack(size n, const u8* in, unsigned p, u8* out) {
    with_prime(p, [&](auto of) { of.unpack(n, in, out); });
}
static void tables_deal(unsigned p, size low, size n, const u64* planes, const u8* own, u8* out) {
    with_prime(p, [&](auto of) { of.deal(low, n, planes, own, out); });
}
static void tables_blind(unsigned p, size low, size n, const u64* planes, const u8* share, unsigned total,
                         const u64* coin, const u8* scale, const u8* zero, const u8* turn, bool negative, u8* out) {
    with_prime(p, [&](auto of) { of.blind(low, n, planes, share, total, coin, scale, zero, turn, negative, out); });
}
static void zero_among(unsigned p, size rows, size n, const u8* a, const u8* b, u64* out) {
    with_prime(p, [&](auto of) { of.zero_among(rows, n, a, b, out); });
}

}  // namespace
