// The module tercet.transport._native: which messages of a job are awaited, here, taken and sent, and the frames of whole,
// sound messages, written and read. What is not so is left to Python, which says what is wrong (transport/inbox.py).
#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace nb = nanobind;

namespace {

using u64 = std::uint64_t;
using u32 = std::uint32_t;

constexpr std::size_t JOB = 16;
constexpr unsigned PEERS = 4;
constexpr u64 SLOT_BYTES = 512;  // what a message takes beside its payload, or a little less: an empty one counts, too

// transport/frame.py, which is where this format is described
struct __attribute__((packed)) Header {
    char prefix[5];
    std::uint8_t kind, element, reserved;
    char job[JOB];
    u64 operation;
    u32 step, depth;
    double ready_at;
    u64 length;
};
static_assert(sizeof(Header) == 56);
constexpr char PREFIX[] = {'T', 'R', 'C', 'T', 1};
constexpr std::uint8_t MESSAGE = 1;
constexpr u64 ELEMENT_BYTES[] = {0, 8, 16, 1, 1};

struct Key {
    u64 operation;
    u32 step, peer;
    bool operator==(const Key& other) const {
        return operation == other.operation && step == other.step && peer == other.peer;
    }
};
struct Hash {  // nobody but the three parties chooses keys, and all of them know the plan
    std::size_t operator()(const Key& key) const {
        u64 x = key.operation * 0x9E3779B97F4A7C15u ^ (u64(key.step) << 2 | key.peer) * 0xC2B2AE3D27D4EB4Fu;
        return x ^ x >> 29;
    }
};

enum State : int { EXPECTED, ARRIVING, READY, DEAD };
enum Refusal : int { RECEIVED_TWICE, SENT_TWICE, CAME_TWICE, TAKEN_TWICE, NOT_ASKED, MISMATCH, TOO_MUCH, GONE };

u64 number(nb::handle value) {
    const u64 result = PyLong_AsUnsignedLongLong(value.ptr());
    if (result == u64(-1) && PyErr_Occurred()) throw nb::python_error();
    return result;
}
u32 small(nb::handle value, u64 last) {
    const u64 result = number(value);
    if (result > last) throw nb::value_error("a number of an address is out of range");
    return u32(result);
}
Key key_of(nb::handle peer, nb::handle operation, nb::handle step) {
    return {number(operation), small(step, 0xFFFFFFFF), small(peer, PEERS - 1)};
}

class Bytes {  // any contiguous buffer
  public:
    Bytes(nb::handle object, int flags) {
        if (PyObject_GetBuffer(object.ptr(), &view_, flags) == 0) return;
        PyErr_Clear();
        throw nb::value_error("a payload must be C-contiguous");
    }
    Bytes(const Bytes&) = delete;
    Bytes& operator=(const Bytes&) = delete;
    ~Bytes() { PyBuffer_Release(&view_); }
    char* data() const { return static_cast<char*>(view_.buf); }
    std::size_t size() const { return std::size_t(view_.len); }

  private:
    Py_buffer view_{};
};

struct Box;

// One awaited or arriving message; the payload is the place for it until it is here.
struct Slot {
    Key key;
    Box* box;  // nullptr once the job is closed
    int state;
    unsigned element;
    u64 nbytes;
    u32 depth;
    bool asked;
    u64 serial;
    nb::object waker, payload;
};
using SlotPtr = std::shared_ptr<Slot>;

u64 counted(u64 nbytes) { return nbytes + SLOT_BYTES; }

struct Post;

// One job: a slot per received address (none once taken), and the set of sent ones.
struct Box {
    Post* post;
    nb::object owner;  // keeps post
    char job[JOB];
    bool open = false;
    u64 serial = 0;
    std::unordered_map<Key, SlotPtr, Hash> slots;
    std::unordered_set<Key, Hash> sent;

    Box(Post* post, nb::object owner) : post(post), owner(std::move(owner)) {}
    Box(const Box&) = delete;
    Box& operator=(const Box&) = delete;
    ~Box();

    [[noreturn]] void refuse(Refusal why, const Key& key, const Slot* came = nullptr, unsigned element = 0, u64 nbytes = 0);
    void gone(const Key& key);

    SlotPtr add(const Key& key, State state, unsigned element, u64 nbytes, u32 depth, bool asked) {
        return slots[key] = std::make_shared<Slot>(Slot{key, this, state, element, nbytes, depth, asked, serial++, {}, {}});
    }

    SlotPtr expect(const Key& key, unsigned element, u64 nbytes, nb::handle waker, nb::handle into);
    nb::object taken(Slot& slot) {
        nb::tuple result = nb::make_tuple(slot.payload, slot.depth);
        slot.box = nullptr;
        slots[slot.key] = nullptr;
        return result;
    }
    nb::object receive(nb::handle frm, nb::handle operation, nb::handle step, nb::handle element, nb::handle nbytes,
                       nb::handle waker, nb::handle into) {
        const SlotPtr slot =
            expect(key_of(frm, operation, step), small(element, 255), number(nbytes), waker, into);
        return slot->state == READY ? taken(*slot) : nb::none();
    }
    bool ask(nb::handle frm, nb::handle operation, nb::handle step, nb::handle element, nb::handle nbytes,
             nb::handle waker) {
        return expect(key_of(frm, operation, step), small(element, 255), number(nbytes), waker, nb::none())->state == READY;
    }
    nb::object take(nb::handle frm, nb::handle operation, nb::handle step) {
        const Key key = key_of(frm, operation, step);
        const auto found = slots.find(key);
        if (found == slots.end()) return nb::none();
        if (!found->second) refuse(TAKEN_TWICE, key);
        const SlotPtr slot = found->second;
        if (slot->state != READY) return nb::none();
        if (!slot->asked) refuse(NOT_ASKED, key);
        return taken(*slot);
    }
    SlotPtr admit(const Key& key, unsigned element, u64 nbytes, u32 depth);
    void send(const Key& key) {
        if (!sent.insert(key).second) refuse(SENT_TWICE, key);
    }
    nb::bytes frame(nb::handle to, nb::handle operation, nb::handle step, nb::handle element, nb::handle depth,
                    nb::handle payload) {
        const Key key = key_of(to, operation, step);
        const Bytes body(payload, PyBUF_C_CONTIGUOUS);
        Header header{{}, MESSAGE, std::uint8_t(small(element, 4)), 0, {}, key.operation, key.step,
                      small(depth, 0xFFFFFFFF), 0.0, body.size()};
        std::memcpy(header.prefix, PREFIX, sizeof PREFIX);
        std::memcpy(header.job, job, JOB);
        PyObject* made = PyBytes_FromStringAndSize(nullptr, Py_ssize_t(sizeof header + body.size()));
        if (!made) throw nb::python_error();
        nb::bytes result = nb::steal<nb::bytes>(made);
        std::memcpy(PyBytes_AS_STRING(made), &header, sizeof header);
        if (body.size()) std::memcpy(PyBytes_AS_STRING(made) + sizeof header, body.data(), body.size());
        send(key);
        return result;
    }
    std::vector<SlotPtr> left() const {  // oldest first
        std::vector<SlotPtr> found;
        for (const auto& [key, slot] : slots)
            if (slot) found.push_back(slot);
        std::sort(found.begin(), found.end(), [](const SlotPtr& a, const SlotPtr& b) { return a->serial < b->serial; });
        return found;
    }
    nb::list awaited() const {
        nb::list result;
        for (const SlotPtr& slot : left())
            if (slot->state != READY && slot->asked)
                result.append(nb::make_tuple(slot->key.peer, slot->key.operation, slot->key.step, slot->state == EXPECTED));
        return result;
    }
};

// All jobs of one endpoint.
struct Post {
    nb::object refuse, failed, frombuffer, uint8;
    u64 message_bytes, unexpected_bytes;
    u32 max_depth;
    u64 unexpected[PEERS] = {};
    std::unordered_map<std::string, Box*> jobs;
    std::vector<SlotPtr> woken;
    Box* last = nullptr;

    Post(nb::object refuse, nb::object failed, nb::object frombuffer, nb::object uint8, u64 message_bytes,
         u64 unexpected_bytes, u32 max_depth)
        : refuse(refuse), failed(failed), frombuffer(frombuffer), uint8(uint8), message_bytes(message_bytes),
          unexpected_bytes(unexpected_bytes), max_depth(max_depth) {}

    Box* find(const char* job) {
        if (last && std::memcmp(last->job, job, JOB) == 0) return last;
        const auto found = jobs.find(std::string(job, JOB));
        if (found == jobs.end()) return nullptr;
        return last = found->second;
    }

    void open(Box& box) {
        box.open = true;
        jobs[std::string(box.job, JOB)] = &box;
        for (const auto& [key, slot] : box.slots) unexpected[key.peer] += counted(slot->nbytes);
    }

    void close(Box& box) {
        if (box.open) jobs.erase(std::string(box.job, JOB));
        last = nullptr;
        std::vector<nb::object> drop;  // released last: a destructor may come back here
        for (const auto& [key, slot] : box.slots) {
            if (!slot) continue;
            if (!slot->asked && box.open) unexpected[key.peer] -= counted(slot->nbytes);
            slot->state = DEAD;
            slot->box = nullptr;
            drop.push_back(std::move(slot->waker));
            drop.push_back(std::move(slot->payload));
        }
        box.open = false;
        box.slots.clear();
        box.sent.clear();
    }

    // A message is here whole; say whether somebody asked for it.
    bool deliver(const SlotPtr& slot) {
        if (slot->state == DEAD) {
            slot->payload = nb::object();
            return false;
        }
        slot->state = READY;
        if (!slot->asked) return false;
        if (!slot->waker.is_none()) woken.push_back(slot);
        return true;
    }

    // Of messages that can be taken since the last call and have a waker: waker, payload and depth.
    nb::list arrived() {
        nb::list result;
        std::vector<SlotPtr> slots;
        slots.swap(woken);
        for (const SlotPtr& slot : slots) {
            if (!slot->box) continue;  // taken, or the job is closed
            nb::object waker = std::move(slot->waker);
            result.append(nb::make_tuple(waker, slot->payload, slot->depth));
            slot->box->slots[slot->key] = nullptr;
            slot->box = nullptr;
        }
        return result;
    }

    nb::list wakers() {
        nb::list result;
        for (const SlotPtr& slot : woken)
            if (slot->waker.is_valid()) result.append(slot->waker);  // not of a job that is closed
        woken.clear();
        return result;
    }

    nb::object array(const char* data, std::size_t size) {
        nb::object memory = nb::steal(PyByteArray_FromStringAndSize(data, Py_ssize_t(size)));
        if (!memory.ptr()) throw nb::python_error();
        return frombuffer(memory, uint8);
    }

    // Deliver the frames at the beginning of `data` that are whole messages of open jobs, and such as are due or may
    // come; give how many bytes these are, and whether somebody asked for one. Where it stops, `admit` says why.
    nb::tuple sort(nb::handle frm, nb::handle data_, nb::handle filled) {
        const Bytes view(data_, PyBUF_SIMPLE);
        const u32 peer = small(frm, PEERS - 1);
        const std::size_t end = number(filled);
        if (end > view.size()) throw nb::value_error("more bytes than there are");
        std::size_t at = 0;
        bool fresh = false;
        while (end - at >= sizeof(Header)) {
            Header header;
            std::memcpy(&header, view.data() + at, sizeof header);
            const char* body = view.data() + at + sizeof header;
            const u64 nbytes = header.length;
            if (std::memcmp(header.prefix, PREFIX, sizeof PREFIX) || header.kind != MESSAGE || header.reserved ||
                header.element < 1 || header.element > 4 || header.ready_at != 0.0 || nbytes > message_bytes ||
                nbytes > end - at - sizeof header || nbytes % ELEMENT_BYTES[header.element] || header.depth > max_depth)
                break;
            Box* box = find(header.job);
            if (!box) break;
            const Key key{header.operation, header.step, peer};
            const auto found = box->slots.find(key);
            SlotPtr slot;
            if (found != box->slots.end()) {
                slot = found->second;
                if (!slot || slot->state != EXPECTED || slot->element != header.element || slot->nbytes != nbytes) break;
                slot->depth = header.depth;
            } else {
                if (unexpected[peer] + counted(nbytes) > unexpected_bytes) break;
                slot = box->add(key, ARRIVING, header.element, nbytes, header.depth, false);
                unexpected[peer] += counted(nbytes);
            }
            if (slot->payload.is_valid() && !slot->payload.is_none()) {
                const Bytes place(slot->payload, PyBUF_WRITABLE);
                if (place.size() != nbytes) break;
                if (nbytes) std::memcpy(place.data(), body, nbytes);
            } else {
                slot->payload = array(body, nbytes);
            }
            fresh |= deliver(slot);
            at += sizeof header + nbytes;
        }
        return nb::make_tuple(at, fresh);
    }
};

Box::~Box() { post->close(*this); }

void Box::refuse(Refusal why, const Key& key, const Slot* came, unsigned element, u64 nbytes) {
    post->refuse(int(why), key.peer, nb::bytes(job, JOB), key.operation, key.step, came ? came->element : 0,
                 came ? came->nbytes : 0, element, nbytes);
    throw nb::value_error("a message was refused without a reason");
}

void Box::gone(const Key& key) {
    if (PyDict_GET_SIZE(post->failed.ptr()))
        post->refuse(int(GONE), key.peer, nb::bytes(job, JOB), key.operation, key.step, 0, 0, 0, 0);
}

SlotPtr Box::expect(const Key& key, unsigned element, u64 nbytes, nb::handle waker, nb::handle into) {
    if (!open) throw nb::value_error("the job is not open");
    const auto found = slots.find(key);
    if (found == slots.end()) {
        gone(key);
        SlotPtr slot = add(key, EXPECTED, element, nbytes, 0, true);
        slot->waker = nb::borrow(waker);
        slot->payload = nb::borrow(into);
        return slot;
    }
    const SlotPtr slot = found->second;
    if (!slot || slot->asked) refuse(RECEIVED_TWICE, key);
    post->unexpected[key.peer] -= counted(slot->nbytes);
    slot->asked = true;
    slot->waker = nb::borrow(waker);
    if (slot->element != element || slot->nbytes != nbytes) refuse(MISMATCH, key, slot.get(), element, nbytes);
    return slot;
}

SlotPtr Box::admit(const Key& key, unsigned element, u64 nbytes, u32 depth) {
    const auto found = slots.find(key);
    if (found != slots.end()) {
        const SlotPtr slot = found->second;
        if (!slot || slot->state != EXPECTED) refuse(CAME_TWICE, key);
        if (slot->element != element || slot->nbytes != nbytes) {
            const Slot came{key, nullptr, ARRIVING, element, nbytes, depth, false, 0, {}, {}};
            slot->state = ARRIVING;  // another one for this address came twice: its place is not as long
            refuse(MISMATCH, key, &came, slot->element, slot->nbytes);
        }
        slot->state = ARRIVING;
        slot->depth = depth;
        return slot;
    }
    if (open) {
        if (post->unexpected[key.peer] + counted(nbytes) > post->unexpected_bytes) refuse(TOO_MUCH, key);
        post->unexpected[key.peer] += counted(nbytes);
    }
    return add(key, ARRIVING, element, nbytes, depth, false);
}

// What a request waits for leads back to its job: the collector of garbage has to see that.
int traverse_box(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    if (!nb::inst_ready(self)) return 0;
    const Box* box = nb::inst_ptr<Box>(self);
    Py_VISIT(box->owner.ptr());
    for (const auto& [key, slot] : box->slots) {
        if (!slot) continue;
        Py_VISIT(slot->waker.ptr());
        Py_VISIT(slot->payload.ptr());
    }
    return 0;
}
int clear_box(PyObject* self) {
    Box* box = nb::inst_ptr<Box>(self);
    box->post->close(*box);
    return 0;
}
int traverse_post(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    if (!nb::inst_ready(self)) return 0;
    const Post* post = nb::inst_ptr<Post>(self);
    Py_VISIT(post->refuse.ptr());
    Py_VISIT(post->failed.ptr());
    return 0;
}
int clear_post(PyObject* self) {
    Post* post = nb::inst_ptr<Post>(self);
    post->refuse = nb::none();
    post->failed = nb::dict();
    return 0;
}
PyType_Slot box_slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse_box)},
                           {Py_tp_clear, reinterpret_cast<void*>(clear_box)},
                           {0, nullptr}};
PyType_Slot post_slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse_post)},
                            {Py_tp_clear, reinterpret_cast<void*>(clear_post)},
                            {0, nullptr}};

}  // namespace

NB_MODULE(_native, m) {
    nb::set_leak_warnings(false);
    m.attr("SLOT_BYTES") = SLOT_BYTES;
    nb::class_<Slot>(m, "Slot")
        .def_ro("nbytes", &Slot::nbytes)
        .def_prop_ro("dead", [](const Slot& self) { return self.state == DEAD; })
        .def_prop_rw(
            "payload", [](const Slot& self) { return self.payload.is_valid() ? self.payload : nb::none(); },
            [](Slot& self, nb::object payload) { self.payload = std::move(payload); }, nb::arg().none());
    nb::class_<Box>(m, "Box", nb::type_slots(box_slots))
        .def("receive", &Box::receive, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(),
             nb::arg().none())
        .def("expect", &Box::ask, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
        .def("take", &Box::take)
        .def("frame", &Box::frame)
        .def("send", [](Box& self, nb::handle to, nb::handle operation, nb::handle step) {
            self.send(key_of(to, operation, step));
        })
        .def("unsend", [](Box& self, nb::handle to, nb::handle operation, nb::handle step) {
            self.sent.erase(key_of(to, operation, step));
        })
        .def("admit", [](Box& self, nb::handle frm, nb::handle operation, nb::handle step, nb::handle element,
                         nb::handle nbytes, nb::handle depth) {
            return self.admit(key_of(frm, operation, step), small(element, 255), number(nbytes), small(depth, 0xFFFFFFFF));
        })
        .def("awaited", &Box::awaited)
        .def("__len__", [](const Box& self) { return self.slots.size(); });
    nb::class_<Post>(m, "Post", nb::type_slots(post_slots))
        .def("__init__", [](Post* self, nb::object refuse, nb::object failed, nb::object frombuffer, nb::object uint8,
                            nb::handle message_bytes, nb::handle unexpected_bytes, nb::handle max_depth) {
            if (!PyDict_Check(failed.ptr())) throw nb::type_error("failed peers are in a dict");
            new (self) Post(refuse, failed, frombuffer, uint8, number(message_bytes), number(unexpected_bytes),
                            small(max_depth, 0xFFFFFFFF));
        })
        .def("box", [](nb::handle self, nb::bytes job) {
            if (job.size() != JOB) throw nb::value_error("a job id has 16 bytes");
            auto box = std::make_unique<Box>(nb::cast<Post*>(self), nb::borrow(self));
            std::memcpy(box->job, job.c_str(), JOB);
            return box.release();
        }, nb::rv_policy::take_ownership)
        .def("open", &Post::open)
        .def("close", &Post::close)
        .def("deliver", &Post::deliver)
        .def("arrived", &Post::arrived)
        .def("woken", &Post::wakers)
        .def("sort", &Post::sort)
        .def_prop_ro("unexpected_bytes", [](const Post& self) {
            nb::list result;
            for (const u64 bytes : self.unexpected) result.append(bytes);
            return result;
        });
}
