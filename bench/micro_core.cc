// Publishing through core without I/O: from a publisher's bytes to what the outboxes of 1,000 subscribers would send.
//
//   publish/S/N    N messages of S bytes that come at once; items are deliveries
//
// sends and slices are per delivery: they hang on no clock.
extern "C" {
#include "bench/micro_hands.h"
}

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr uint32_t subscribers = 1000;

void publish(benchmark::State &state) {
    auto payload = static_cast<size_t>(state.range(0)), messages = static_cast<size_t>(state.range(1));
    std::vector<uint8_t> frames(micro_hands_messages(nullptr, messages, payload)), bytes(frames.size());
    micro_hands_messages(frames.data(), messages, payload);
    micro_hands *hands = micro_hands_open(subscribers);
    if (!hands) {
        state.SkipWithError("no memory");
        return;
    }
    micro_sent before = micro_hands_sent(hands);
    for (auto _ : state) {
        std::memcpy(bytes.data(), frames.data(), frames.size()); // it is unmasked in place
        micro_hands_feed(hands, bytes.data(), bytes.size());
    }
    micro_sent after = micro_hands_sent(hands);
    auto deliveries = static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(messages) * subscribers;
    size_t frame = payload + (payload < 126 ? 2 : payload <= 65535 ? 4 : 10);
    if (after.bytes - before.bytes != static_cast<uint64_t>(deliveries) * frame) {
        std::fprintf(stderr, "publish: not every subscriber got every byte\n");
        std::exit(1);
    }
    state.SetItemsProcessed(deliveries);
    state.counters["sends"] = static_cast<double>(after.sends - before.sends) / static_cast<double>(deliveries);
    state.counters["slices"] = static_cast<double>(after.slices - before.slices) / static_cast<double>(deliveries);
    micro_hands_shut(hands);
}

BENCHMARK(publish)->ArgsProduct({{20, 100, 1024, 16384}, {1, 16}})->Unit(benchmark::kMicrosecond);

} // namespace

BENCHMARK_MAIN();
