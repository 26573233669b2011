/* Seeded chance: the same seed, the same run. */
#ifndef WYE_TESTS_SIM_DICE_H
#define WYE_TESTS_SIM_DICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_dice {
    uint64_t state;
};

/* splitmix64 (Steele, Lea and Flood, 2014). */
static inline uint64_t sim_roll(struct sim_dice *dice) {
    uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 .. below - 1; below at least 1. */
static inline size_t sim_below(struct sim_dice *dice, size_t below) {
    return (size_t)(sim_roll(dice) % below);
}

/* least .. most */
static inline size_t sim_between(struct sim_dice *dice, size_t least, size_t most) {
    return least + sim_below(dice, most - least + 1);
}

/* true in `per_mille` of a thousand cases. 0 rolls nothing. */
static inline bool sim_chance(struct sim_dice *dice, unsigned per_mille) {
    return per_mille > 0 && sim_below(dice, 1000) < per_mille;
}

/* 1 .. most, small numbers as likely as large ones: the length is chosen by its bits. */
static inline size_t sim_size(struct sim_dice *dice, size_t most) {
    unsigned bits = 0;
    while (most >> bits > 1) bits++;
    size_t ceiling = (size_t)1 << sim_between(dice, 0, bits + 1);
    return sim_between(dice, 1, ceiling < most ? ceiling : most);
}

#endif
