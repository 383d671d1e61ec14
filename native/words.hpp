// The word types, with the same few operations on each. Everything has internal linkage: see CMakeLists.txt.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

static_assert(std::endian::native == std::endian::little, "shares and messages are little-endian words");

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;
using size = std::size_t;
using wide = unsigned __int128;

#define TERCET_INLINE static inline __attribute__((always_inline))

// 128 bits with the alignment of 64, as NumPy lays out {lo, hi}.
struct u128 {
    u64 lo, hi;
};

TERCET_INLINE wide w(u128 a) { return (wide(a.hi) << 64) | a.lo; }
TERCET_INLINE u128 n(wide a) { return {u64(a), u64(a >> 64)}; }
TERCET_INLINE u128 operator+(u128 a, u128 b) { return n(w(a) + w(b)); }
TERCET_INLINE u128 operator-(u128 a, u128 b) { return n(w(a) - w(b)); }
TERCET_INLINE u128 operator*(u128 a, u128 b) { return n(w(a) * w(b)); }
TERCET_INLINE u128 operator&(u128 a, u128 b) { return {a.lo & b.lo, a.hi & b.hi}; }
TERCET_INLINE u128 operator<<(u128 a, unsigned s) { return n(w(a) << s); }
TERCET_INLINE u128 operator>>(u128 a, unsigned s) { return n(w(a) >> s); }

template <class T> struct Traits;
template <> struct Traits<u32> {
    static constexpr unsigned bits = 32;
    TERCET_INLINE u32 of(u64 lo, u64 hi = 0) { return (void)hi, u32(lo); }
    TERCET_INLINE double to_double(u32 a) { return double(std::int32_t(a)); }
    TERCET_INLINE u32 of_whole(double a) { return u32(std::int64_t(a)); }
    TERCET_INLINE u64 low64(u32 a) { return a; }
};
template <> struct Traits<u64> {
    static constexpr unsigned bits = 64;
    TERCET_INLINE u64 of(u64 lo, u64 hi = 0) { return (void)hi, lo; }
    TERCET_INLINE double to_double(u64 a) { return double(std::int64_t(a)); }
    TERCET_INLINE u64 of_whole(double a) { return u64(std::int64_t(a)); }
    TERCET_INLINE u64 low64(u64 a) { return a; }
};
template <> struct Traits<u128> {
    static constexpr unsigned bits = 128;
    TERCET_INLINE u128 of(u64 lo, u64 hi = 0) { return {lo, hi}; }
    TERCET_INLINE double to_double(u128 a) { return double(__int128(w(a))); }
    TERCET_INLINE u128 of_whole(double a) { return n(wide(__int128(a))); }
    TERCET_INLINE u64 low64(u128 a) { return a.lo; }
};

// 2^s mod 2^bits, s in [0, bits]
template <class T> TERCET_INLINE T power(unsigned s) {
    return s >= Traits<T>::bits ? Traits<T>::of(0) : Traits<T>::of(1) << s;
}
// the mask of the m low bits, m in [0, bits]
template <class T> TERCET_INLINE T low_mask(unsigned m) { return power<T>(m) - Traits<T>::of(1); }

}  // namespace
