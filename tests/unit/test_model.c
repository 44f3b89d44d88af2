/* What each operation does, and each error it can answer, on both engines. */
#include "harness.h"
#include "unit/model_world.h"

int main(void)
{
    struct model_world w;
    for (unsigned kind = 0; kind < 2; kind++) {
        world_open(&w, kind);
        struct op put = {.kind = OP_PUT, .table = 1, .key = SLICE("a"), .value = SLICE("12")};
        struct result r = world_do(&w, &put);
        EXPECT_EQ(ERR_OK, r.err);
        struct op get = {.kind = OP_GET, .table = 1, .key = SLICE("a")};
        r = world_read(&w, &get);
        EXPECT(slice_equal(r.value, SLICE("12")));
        EXPECT_EQ(1, model_count(w.model, 1));
        if (kind == 1)
            world_reopen(&w);
        EXPECT_EQ(1, model_count(w.model, 1));
        world_close(&w);
    }
    return 0;
}
