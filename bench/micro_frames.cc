// Frames at memory speed: each routine, each variant that runs here, beside memcpy of the same bytes.
//
//   memcpy     of as many bytes; copy-vectors: the same in a loop of 64 bytes a step
//   mask       in place; mask-down: moved 4 bytes down, as an echo does; mask-away: into other memory
//   utf8       validating a text; kinds are ascii, two, three (bytes a character), mixed
//   mask-utf8  both in one pass, beside mask+utf8, which is both one after another
//   header     wye_frame_read(), wye_frame_write()
//   codec      a message there and back without I/O: header read, payload unmasked in place, header written
//   in front deflate    a JSON message of 1 KiB and what comes back, afresh and with a context that is kept
//
// Bytes a second are those of the payload; G is 2^30.
extern "C" {
#include "frames/deflate.h"
#include "frames/frame.h"
#include "frames/mask.h"
#include "frames/mask_utf8.h"
#include "frames/utf8.h"
}

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

constexpr size_t most = 1 << 20, offset = 14; // payloads begin behind a header
const size_t sizes[] = {4, 16, 20, 64, 125, 256, 1024, 4096, 16384, 65536, 262144, most};
const size_t text_sizes[] = {16, 40, 125, 1024, 16384, 65536, most};

alignas(4096) uint8_t memory[most + 4096], away[most + 4096];

void count_bytes(benchmark::State &state, size_t bytes) {
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(bytes));
}

void copy(benchmark::State &state, size_t bytes) {
    for (auto _ : state) {
        std::memcpy(away + offset, memory + offset, bytes);
        benchmark::ClobberMemory();
    }
    count_bytes(state, bytes);
}

#if defined(__x86_64__)
// What is left of masking when nothing is masked: loads and stores of vectors. A large memcpy() is one instruction ("rep
// movsb") that doesn't read the lines it overwrites, as no loop can; so this is what mask-away can reach.
__attribute__((target("avx512f"))) void copy_vectors(benchmark::State &state, size_t bytes) {
    constexpr size_t step = 64;
    for (auto _ : state) {
        for (size_t i = 0; i + step <= bytes; i += step)
            _mm512_storeu_si512(away + step + i, _mm512_loadu_si512(memory + offset + i));
        benchmark::ClobberMemory();
    }
    count_bytes(state, bytes);
}
#endif

void mask(benchmark::State &state, wye_mask_fn *run, uint8_t *to, const uint8_t *from, size_t bytes) {
    unsigned phase = 0;
    for (auto _ : state) {
        run(to, from, bytes, 0x12345678, phase++ & 3);
        benchmark::ClobberMemory();
    }
    count_bytes(state, bytes);
}

// ---- texts ----

const char *const kinds[] = {"ascii", "two", "three", "mixed"};

std::string text_of(unsigned kind, size_t bytes) {
    static const std::vector<const char *> letters[] = {
        {"a", "e", "i", "n", "t", " ", "."},
        {"\u0434", "\u043e", "\u0431", "\u0440", "\u044b", "\u0439", "\u044f"},
        {"\u8996", "\u91ce", "\u7121", "\u9650", "\u5ee3", "\u7aa7", "\u5916"},
        {"a", "e", " ", "n", "t", "\u00e4", "\u0434", "\u8996", "\U0001f600", "."}};
    std::minstd_rand any(kind + 1);
    std::string text;
    while (text.size() < bytes) {
        const char *letter = letters[kind][any() % letters[kind].size()];
        text += text.size() + std::strlen(letter) <= bytes ? letter : "."; // filled up to the byte
    }
    return text;
}

void expect(bool holds) {
    if (!holds) std::abort();
}

void utf8(benchmark::State &state, wye_utf8_fn *run, const std::string &text) {
    std::memcpy(memory + offset, text.data(), text.size());
    for (auto _ : state) expect(run(memory + offset, text.size()) == text.size());
    count_bytes(state, text.size());
}

// What goes through wye_utf8_feed(), with its state: the price of a short text.
void feed(benchmark::State &state, const std::string &text) {
    std::memcpy(memory + offset, text.data(), text.size());
    for (auto _ : state) {
        wye_utf8 utf8 = {};
        expect(wye_utf8_feed(&utf8, memory + offset, text.size()) && wye_utf8_may_end(&utf8));
    }
    count_bytes(state, text.size());
}

// With the key 0 the text stays itself however often it is masked, and the work is the same.
void mask_utf8(benchmark::State &state, wye_mask_utf8_fn *run, const std::string &text) {
    uint8_t *at = memory + offset;
    std::memcpy(at, text.data(), text.size());
    for (auto _ : state) {
        expect(run(at, at, text.size(), 0, 0) == text.size());
        benchmark::ClobberMemory();
    }
    count_bytes(state, text.size());
}

void mask_then_utf8(benchmark::State &state, wye_mask_fn *first, wye_utf8_fn *then, const std::string &text) {
    uint8_t *at = memory + offset;
    std::memcpy(at, text.data(), text.size());
    for (auto _ : state) {
        first(at, at, text.size(), 0, 0);
        expect(then(at, text.size()) == text.size());
        benchmark::ClobberMemory();
    }
    count_bytes(state, text.size());
}

// ---- frames ----

wye_frame frame_of(size_t bytes, bool masked) {
    wye_frame frame = {};
    frame.payload_bytes = bytes;
    frame.opcode = WYE_OPCODE_BINARY;
    frame.fin = true;
    frame.masked = masked;
    frame.masking_key = masked ? 0x12345678 : 0;
    return frame;
}

void header_read(benchmark::State &state, size_t bytes) {
    uint8_t header[WYE_FRAME_HEADER_MAX];
    wye_frame frame = frame_of(bytes, true);
    size_t size = wye_frame_write(header, &frame);
    for (auto _ : state) {
        benchmark::DoNotOptimize(header);
        benchmark::DoNotOptimize(wye_frame_read(&frame, header, size, nullptr));
        benchmark::DoNotOptimize(frame);
    }
}

void header_write(benchmark::State &state, size_t bytes) {
    uint8_t header[WYE_FRAME_HEADER_MAX];
    wye_frame frame = frame_of(bytes, false);
    for (auto _ : state) {
        benchmark::DoNotOptimize(frame);
        benchmark::DoNotOptimize(wye_frame_write(header, &frame));
        benchmark::DoNotOptimize(header);
    }
}

// An echo: what is read is masked, and what is written isn't, so that its header fits in front of the same
// payload.
void codec(benchmark::State &state, size_t bytes, bool text) {
    uint8_t *start = memory;
    wye_frame in = frame_of(bytes, true);
    in.masking_key = 0; // the text stays itself
    in.opcode = text ? WYE_OPCODE_TEXT : WYE_OPCODE_BINARY;
    size_t header = wye_frame_write(start, &in);
    std::memset(start + header, 'a', bytes);
    uint8_t kept[WYE_FRAME_HEADER_MAX];
    std::memcpy(kept, start, header);
    for (auto _ : state) {
        wye_frame frame;
        std::memcpy(start, kept, header); // the last round wrote over it
        ptrdiff_t used = wye_frame_read(&frame, start, header + bytes, nullptr);
        uint8_t *payload = start + used;
        if (text) {
            wye_utf8 utf8 = {};
            expect(wye_mask_utf8(&utf8, payload, payload, bytes, frame.masking_key, 0));
        } else {
            wye_mask(payload, payload, bytes, frame.masking_key, 0);
        }
        frame.masked = false;
        wye_frame_write(payload - wye_frame_header_bytes(bytes, false), &frame);
        benchmark::ClobberMemory();
    }
    count_bytes(state, bytes);
}

// ---- permessage-deflate ----

std::string json_of(unsigned seed) {
    static const char *const names[] = {"Ada",    "Grace", "Edsger", "Barbara",
                                        "Donald", "Tony",  "Leslie", "Niklaus"};
    std::minstd_rand any(seed);
    std::string json =
        "{\"type\":\"snapshot\",\"time\":" + std::to_string(1700000000 + any() % 1000000) + ",\"users\":[";
    while (json.size() < 930) {
        char user[128];
        std::snprintf(user, sizeof user,
                      "{\"id\":%u,\"name\":\"%s\",\"score\":%u.%02u,\"online\":%s,\"tags\":[\"a%u\"]},",
                      static_cast<unsigned>(any() % 100000), names[any() % 8],
                      static_cast<unsigned>(any() % 1000), static_cast<unsigned>(any() % 100),
                      any() % 3 ? "true" : "false", static_cast<unsigned>(any() % 20));
        json += user;
    }
    json.back() = ']';
    return json + "}";
}

struct parameters {
    unsigned bits;
    int level, memory_level;
    bool reset;
};

void deflate(benchmark::State &state, parameters with) {
    constexpr unsigned messages = 64;
    static uint8_t compressed[1 << 14];
    wye_deflater *deflater = wye_deflater_open(with.bits, with.level, with.memory_level);
    std::vector<std::string> all;
    size_t in = 0, out = 0;
    unsigned next = 0;
    for (unsigned i = 0; i < messages; i++) all.push_back(json_of(i));
    expect(deflater && wye_deflate_bound(deflater, 2000) < sizeof compressed);
    for (auto _ : state) {
        const std::string &json = all[next++ % messages];
        out += wye_deflate(deflater, compressed, sizeof compressed,
                           reinterpret_cast<const uint8_t *>(json.data()), json.size(), with.reset);
        in += json.size();
    }
    state.counters["ratio"] = static_cast<double>(out) / static_cast<double>(in);
    state.SetBytesProcessed(static_cast<int64_t>(in));
    wye_deflater_shut(deflater);
}

void inflate(benchmark::State &state, unsigned bits) {
    static uint8_t compressed[1 << 14], out[1 << 14];
    wye_deflater *deflater = wye_deflater_open(bits, 6, 8);
    wye_inflater *inflater = wye_inflater_open(bits);
    std::string json = json_of(1);
    expect(deflater && inflater);
    size_t made = wye_deflate(deflater, compressed, sizeof compressed,
                              reinterpret_cast<const uint8_t *>(json.data()), json.size(), true),
           used;
    for (auto _ : state) {
        wye_inflate_begin(inflater, true);
        expect(wye_inflate(inflater, out, sizeof out, compressed, made, &used, true) ==
               static_cast<ptrdiff_t>(json.size()));
    }
    count_bytes(state, json.size());
    wye_inflater_shut(inflater);
    wye_deflater_shut(deflater);
}

template <class Function, class... Arguments>
void add(const std::string &name, Function function, Arguments... arguments) {
    benchmark::RegisterBenchmark(name.c_str(), function, arguments...);
}

void add_masks() {
    for (size_t size : sizes) {
        const std::string of = "/" + std::to_string(size);
        add("memcpy" + of, copy, size);
#if defined(__x86_64__)
        if (size >= 64 && __builtin_cpu_supports("avx512f")) add("copy-vectors" + of, copy_vectors, size);
#endif
        for (const wye_mask_variant *each = wye_mask_variants; each->name; each++) {
            if (!each->runs_here()) continue;
            const std::string by = "/" + std::string(each->name) + of;
            uint8_t *at = memory + offset;
            add("mask" + by, mask, each->run, at, static_cast<const uint8_t *>(at), size);
            add("mask-down" + by, mask, each->run, at - 4, static_cast<const uint8_t *>(at), size);
            add("mask-away" + by, mask, each->run, away + offset, static_cast<const uint8_t *>(at), size);
        }
    }
}

void add_texts() {
    for (size_t size : text_sizes)
        for (unsigned kind = 0; kind < 4; kind++) {
            const std::string of = "/" + std::string(kinds[kind]) + "/" + std::to_string(size),
                              text = text_of(kind, size);
            for (const wye_utf8_variant *each = wye_utf8_variants; each->name; each++)
                if (each->runs_here()) add("utf8/" + std::string(each->name) + of, utf8, each->run, text);
            add("feed/" + std::string(wye_utf8_variant_name()) + of, feed, text);
            for (const wye_mask_utf8_variant *each = wye_mask_utf8_variants; each->name; each++) {
                if (!each->runs_here()) continue;
                add("mask-utf8/" + std::string(each->name) + of, mask_utf8, each->run, text);
                for (const wye_mask_variant *first = wye_mask_variants; first->name; first++)
                    for (const wye_utf8_variant *then = wye_utf8_variants; then->name; then++)
                        if (!std::strcmp(first->name, each->name) && !std::strcmp(then->name, each->name))
                            add("mask+utf8/" + std::string(each->name) + of, mask_then_utf8, first->run,
                                then->run, text);
            }
        }
}

void add_frames() {
    for (size_t size : {size_t{20}, size_t{1024}, size_t{65536}}) {
        add("header/read/" + std::to_string(size), header_read, size);
        add("header/write/" + std::to_string(size), header_write, size);
    }
    for (size_t size : {size_t{20}, size_t{1024}, size_t{16384}})
        for (bool text : {false, true})
            add(std::string("codec/") + (text ? "text/" : "binary/") + std::to_string(size), codec, size,
                text);
    for (parameters with :
         {parameters{15, 1, 8, true}, parameters{15, 3, 8, true}, parameters{15, 6, 8, true},
          parameters{12, 1, 5, false}, parameters{12, 6, 5, false}, parameters{15, 6, 8, false}})
        add("deflate/" + std::string(with.reset ? "afresh" : "kept") + "/bits:" + std::to_string(with.bits) +
                "/level:" + std::to_string(with.level) + "/memory:" + std::to_string(with.memory_level),
            deflate, with);
    add("inflate/afresh/bits:15", inflate, 15u);
    add("inflate/afresh/bits:9", inflate, 9u);
}

} // namespace

int main(int argc, char **argv) {
    add_masks();
    add_texts();
    add_frames();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
