// From a request head to a 101, whole and in parts, over requests as browsers send them
// (bench/requests/*.txt).
//
//   scan      the pass that marks where names and lines end, each variant that runs here
//   read      wye_request_read() with every rule, each variant
//   upgrade   wye_upgrade_check() of a request that was read
//   accept    SHA-1 and base64 of a key
//   digest    the SHA-1 of that alone, each variant
//   opening   the accept value put into the template
//   101       read + upgrade + opening
//
// Bytes are those of the request, also where a part doesn't touch them all.
extern "C" {
#include "handshake/digest.h"
#include "handshake/opening.h"
#include "handshake/request.h"
#include "handshake/scan.h"
#include "handshake/upgrade.h"
}

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

struct sample {
    std::string name, head;
    bool upgrades;
};

std::vector<sample> samples() {
    std::vector<sample> all;
    for (const auto &entry : std::filesystem::directory_iterator(WYE_REQUESTS)) {
        if (entry.path().extension() != ".txt") continue;
        std::ifstream file(entry.path(), std::ios::binary);
        std::string head{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        bool upgrades = head.find("\r\nUpgrade: websocket\r\n") != std::string::npos;
        all.push_back({entry.path().stem().string(), head, upgrades});
    }
    std::sort(all.begin(), all.end(),
              [](const sample &a, const sample &b) { return a.head.size() < b.head.size(); });
    return all;
}

const uint8_t *bytes_of(const sample &from) { return reinterpret_cast<const uint8_t *>(from.head.data()); }

wye_request request;
wye_refusal refusal;
const wye_upgrade_terms terms = {"websocket", true, nullptr};
const wye_policy policy = {};

void count_bytes(benchmark::State &state, const sample &from) {
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                            static_cast<int64_t>(from.head.size()));
}

void read_or_die(const sample &from) {
    wye_request_progress progress = {};
    if (wye_request_read(&request, &refusal, bytes_of(from), from.head.size(), &progress) ==
        static_cast<ptrdiff_t>(from.head.size()))
        return;
    std::fprintf(stderr, "%s is refused\n", from.name.c_str());
    std::abort();
}

void scan(benchmark::State &state, const sample &from, const wye_scan_variant *variant) {
    static struct wye_scan marks;
    for (auto _ : state) {
        marks.state = WYE_SCAN_VALUE; // the request line goes for one
        variant->run(&marks, bytes_of(from), 0, from.head.size());
        benchmark::ClobberMemory();
    }
    count_bytes(state, from);
}

void read(benchmark::State &state, const sample &from) {
    for (auto _ : state) {
        read_or_die(from);
        benchmark::ClobberMemory();
    }
    count_bytes(state, from);
}

void upgrade(benchmark::State &state, const sample &from) {
    wye_upgrade_agreement agreement;
    read_or_die(from);
    for (auto _ : state) {
        wye_refusal_begin(&refusal, terms.token, nullptr);
        if (wye_upgrade_check(&request, &terms, &policy, &agreement, &refusal) != 101) std::abort();
        benchmark::ClobberMemory();
    }
}

void accept(benchmark::State &state) {
    char to[WYE_ACCEPT_BYTES];
    for (auto _ : state) {
        wye_opening_accept(to, "dGhlIHNhbXBsZSBub25jZQ==");
        benchmark::DoNotOptimize(to);
    }
}

void digest(benchmark::State &state, const wye_digest_variant *variant) {
    uint8_t to[WYE_DIGEST_BYTES];
    for (auto _ : state) {
        variant->run(to, "dGhlIHNhbXBsZSBub25jZQ==");
        benchmark::DoNotOptimize(to);
        benchmark::ClobberMemory();
    }
}

void opening(benchmark::State &state) {
    static char slot[WYE_OPENING_BYTES];
    char value[WYE_ACCEPT_BYTES] = {};
    for (auto _ : state) {
        std::copy_n(wye_opening_template, WYE_OPENING_BYTES, slot);
        wye_opening_complete(slot, value, wye_span{});
        benchmark::ClobberMemory();
    }
}

void whole(benchmark::State &state, const sample &from) {
    static char slot[WYE_OPENING_BYTES];
    wye_upgrade_agreement agreement;
    std::copy_n(wye_opening_template, WYE_OPENING_BYTES, slot);
    for (auto _ : state) {
        wye_refusal_begin(&refusal, terms.token, nullptr);
        read_or_die(from);
        if (wye_upgrade_check(&request, &terms, &policy, &agreement, &refusal) != 101) std::abort();
        wye_opening_complete(slot, agreement.accept, wye_span{});
        benchmark::ClobberMemory();
    }
    count_bytes(state, from);
}

} // namespace

int main(int argc, char **argv) {
    static const std::vector<sample> all = samples();
    const std::string variant = wye_scan_variant_name();
    for (const sample &from : all) {
        const std::string of = "/" + from.name + "/" + std::to_string(from.head.size());
        for (const wye_scan_variant *each = wye_scan_variants; each->name; each++) {
            if (each->runs_here())
                benchmark::RegisterBenchmark(("scan/" + std::string(each->name) + of).c_str(), scan, from,
                                             each);
        }
        benchmark::RegisterBenchmark(("read/" + variant + of).c_str(), read, from);
        if (!from.upgrades) continue;
        benchmark::RegisterBenchmark(("upgrade" + of).c_str(), upgrade, from);
        benchmark::RegisterBenchmark(("101/" + variant + of).c_str(), whole, from);
    }
    benchmark::RegisterBenchmark("accept", accept);
    for (const wye_digest_variant *each = wye_digest_variants; each->name; each++) {
        if (each->runs_here())
            benchmark::RegisterBenchmark(("digest/" + std::string(each->name)).c_str(), digest, each);
    }
    benchmark::RegisterBenchmark("opening", opening);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
