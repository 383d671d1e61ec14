// NumPy arrays as kernels see them: contiguous memory, taken through the buffer protocol, which costs a tenth of a
// microsecond where DLPack costs one and refuses structured types.
#pragma once
#include <nanobind/nanobind.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace tercet {

namespace nb = nanobind;

enum class Kind { word, u32, u64, byte, f64 };  // word: uint32, uint64, or the 16-byte {lo, hi}

inline bool fits(const Py_buffer& view, Kind kind) {
    const char* f = view.format ? view.format : "B";
    if (*f == '<' || *f == '=' || *f == '@') ++f;
    switch (kind) {
        case Kind::word:
            if (view.itemsize == 16) return *f == 'T';
            if (view.itemsize == 4) return *f == 'I';
            [[fallthrough]];
        case Kind::u64: return view.itemsize == 8 && (*f == 'L' || *f == 'Q');
        case Kind::byte: return view.itemsize == 1 && (*f == 'B' || *f == '?');
        case Kind::u32: return view.itemsize == 4 && *f == 'I';
        case Kind::f64: return view.itemsize == 8 && *f == 'd';
    }
    return false;
}

class Buffer {
  public:
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { PyBuffer_Release(&view_); }

    Py_ssize_t count() const { return view_.itemsize ? view_.len / view_.itemsize : 0; }
    Py_ssize_t word_bytes() const { return view_.itemsize; }
    int ndim() const { return view_.ndim; }
    Py_ssize_t shape(int axis) const { return view_.shape[axis]; }
    Py_ssize_t stride(int axis) const { return view_.strides[axis]; }
    bool same_shape(const Buffer& other) const {
        if (view_.itemsize != other.view_.itemsize || view_.ndim != other.view_.ndim) return false;
        for (int axis = 0; axis < view_.ndim; ++axis)
            if (view_.shape[axis] != other.view_.shape[axis]) return false;
        return true;
    }

  protected:
    Buffer() = default;
    Py_buffer view_{};
    bool get(nb::handle array, int flags) {
        if (PyObject_GetBuffer(array.ptr(), &view_, flags | PyBUF_FORMAT) == 0) return true;
        PyErr_Clear();
        return false;
    }
    bool aligned(Kind kind) const { return kind == Kind::byte ||
               reinterpret_cast<std::uintptr_t>(view_.buf) % (view_.itemsize < 8 ? view_.itemsize : 8) == 0; }
    void check(Kind kind) const {
        if (!fits(view_, kind)) {
            const std::string found = view_.format ? view_.format : "B";
            throw nb::type_error(("array of the wrong type (format " + found + "): ring words are uint32, uint64 or U128").c_str());
        }
    }
};

// An input: what is not contiguous or not aligned is copied first.
class In : public Buffer {
  public:
    In(nb::handle array, Kind kind = Kind::word) {
        if (!get(array, PyBUF_C_CONTIGUOUS) || !aligned(kind)) {
            PyBuffer_Release(&view_);
            copy_ = nb::module_::import_("numpy").attr("array")(array, nb::arg("order") = "C");
            if (!get(copy_, PyBUF_C_CONTIGUOUS)) throw nb::type_error("not an array");
        }
        check(kind);
    }
    template <class T = void> const T* data() const { return static_cast<const T*>(view_.buf); }

  private:
    nb::object copy_;
};

// An output: contiguous, aligned and writable, or refused.
class Out : public Buffer {
  public:
    Out(nb::handle array, Kind kind = Kind::word) {
        if (!get(array, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) || !aligned(kind))
            throw nb::value_error("out must be a contiguous, aligned and writable array");
        check(kind);
    }
    template <class T = void> T* data() const { return static_cast<T*>(view_.buf); }
};

// An input whose strides the kernel handles itself.
class Strided : public Buffer {
  public:
    explicit Strided(nb::handle array) {
        if (!get(array, PyBUF_STRIDED_RO)) throw nb::type_error("not an array");
        check(Kind::word);
    }
    const char* data() const { return static_cast<const char*>(view_.buf); }
};

// Lets the GIL go for as long as it lives. A thread that wants it back while the interpreter ends is unwound by force
// (Python before 3.14), and a forced unwinding that meets a destructor, which is noexcept, ends the process by SIGABRT.
// So such a thread waits here for the end of the process instead, as threads do from Python 3.14 on; every release of
// the GIL in this module goes through here.
class Released {
  public:
    Released() : state_(PyEval_SaveThread()) {}
    ~Released() {
        try {
            PyEval_RestoreThread(state_);
        } catch (...) {
            for (;;) pause();
        }
    }
    Released(const Released&) = delete;
    Released& operator=(const Released&) = delete;

  private:
    PyThreadState* state_;
};

// The same, unless the work is so small that this would cost more than it gives.
class Unlocked {
  public:
    explicit Unlocked(std::size_t words) {
        if (words >= 4096) release_.emplace();
    }

  private:
    std::optional<Released> release_;
};

inline void require(bool ok, const char* what) {
    if (!ok) throw nb::value_error(what);
}

// Bytes of so many fields, and words of so many bits. Numbers come from Python: one whose product wraps would fit an
// empty array.
constexpr std::size_t MOST = std::size_t(1) << 56;
inline std::size_t field_bytes(std::size_t count, std::size_t bits) {
    require(count < MOST, "more elements than memory has bits");
    return (count * bits + 7) / 8;
}
inline std::size_t bit_words(std::size_t count) {
    require(count < MOST, "more elements than memory has bits");
    return (count + 63) / 64;
}

}  // namespace tercet
