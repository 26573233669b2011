#include "core/order.h"

#include "core/subject.h"

#include <string.h>

int wye_name_compare(struct wye_span a, struct wye_span b) {
    size_t both = a.count < b.count ? a.count : b.count;
    int differ = both ? memcmp(a.bytes, b.bytes, both) : 0;
    return differ ? differ : (a.count > b.count) - (a.count < b.count);
}

static struct wye_span name_of(const struct wye_subject *subject) {
    return (struct wye_span){subject->name, subject->name_bytes};
}

/* xorshift64* (Vigna 2016). */
static uint32_t roll(uint64_t *dice) {
    *dice ^= *dice >> 12;
    *dice ^= *dice << 25;
    *dice ^= *dice >> 27;
    return (uint32_t)(*dice * UINT64_C(2685821657736338717) >> 32);
}

/* Parts a tree into what comes before a name and what comes behind it. */
static void split(struct wye_subject *tree, struct wye_span name, struct wye_subject **before, struct wye_subject **behind) {
    while (tree) {
        if (wye_name_compare(name_of(tree), name) < 0) {
            *before = tree;
            before = &tree->order_right;
            tree = tree->order_right;
        } else {
            *behind = tree;
            behind = &tree->order_left;
            tree = tree->order_left;
        }
    }
    *before = *behind = NULL;
}

void wye_order_add(struct wye_order *order, struct wye_subject *subject) {
    struct wye_subject **link = &order->root;
    subject->order_dice = roll(&order->dice);
    while (*link && (*link)->order_dice >= subject->order_dice)
        link = wye_name_compare(name_of(subject), name_of(*link)) < 0 ? &(*link)->order_left : &(*link)->order_right;
    split(*link, name_of(subject), &subject->order_left, &subject->order_right);
    *link = subject;
    order->count++;
}

void wye_order_remove(struct wye_order *order, struct wye_subject *subject) {
    struct wye_subject **link = &order->root;
    while (*link != subject)
        link = wye_name_compare(name_of(subject), name_of(*link)) < 0 ? &(*link)->order_left : &(*link)->order_right;
    struct wye_subject *left = subject->order_left, *right = subject->order_right;
    while (left && right) { /* merge: whose dice are higher is above */
        if (left->order_dice >= right->order_dice) {
            *link = left;
            link = &left->order_right;
            left = left->order_right;
        } else {
            *link = right;
            link = &right->order_left;
            right = right->order_left;
        }
    }
    *link = left ? left : right;
    subject->order_left = subject->order_right = NULL;
    order->count--;
}

struct walk {
    struct wye_span from;
    bool (*visit)(void *owner, struct wye_subject *subject);
    void *owner;
    int least; /* of comparing with `from` */
};

/* As deep as the tree, which has about 50 levels with a million. */
static bool walk_tree(const struct walk *walk, struct wye_subject *tree) {
    while (tree) {
        if (wye_name_compare(name_of(tree), walk->from) >= walk->least) {
            if (!walk_tree(walk, tree->order_left) || !walk->visit(walk->owner, tree)) return false;
        }
        tree = tree->order_right;
    }
    return true;
}

void wye_order_walk(const struct wye_order *order, struct wye_span from, bool inclusive,
                    bool (*visit)(void *owner, struct wye_subject *subject), void *owner) {
    const struct walk walk = {from, visit, owner, inclusive ? 0 : 1};
    walk_tree(&walk, order->root);
}
