/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "cell/cgroup.h"
#include "cell/cgroup_server.h"

/* One row a kind of host: the two files as the kernel shows them there, and what must be found. */
static const struct host {
    const char *name, *self_cgroup, *mountinfo;
    const char *missing; /* NULL = none */
    bool pure_v2;
    const char *directories[CGROUP_CONTROLLERS]; /* memory, cpu, pids, accounting */
    bool unified_accounting;
} hosts[] = {
    {
        .name = "v1 with systemd",
        .self_cgroup = "11:cpu,cpuacct:/system.slice/codecell.service\n"
                       "10:pids:/system.slice/codecell.service\n"
                       "4:memory:/system.slice/codecell.service\n"
                       "1:name=systemd:/system.slice/codecell.service\n",
        .mountinfo = "24 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
                     "29 28 0:25 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n"
                     "30 29 0:26 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,xattr,name=systemd\n"
                     "34 29 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
                     "35 29 0:31 / /sys/fs/cgroup/memory rw shared:16 - cgroup cgroup rw,memory\n"
                     "36 29 0:32 / /sys/fs/cgroup/pids rw shared:17 - cgroup cgroup rw,pids\n",
        .directories = { "/sys/fs/cgroup/memory/system.slice/codecell.service",
                         "/sys/fs/cgroup/cpu,cpuacct/system.slice/codecell.service",
                         "/sys/fs/cgroup/pids/system.slice/codecell.service",
                         "/sys/fs/cgroup/cpu,cpuacct/system.slice/codecell.service" },
    },
    {
        .name = "hybrid",
        .self_cgroup = "12:pids:/user.slice/user-0.slice/session-1.scope\n"
                       "5:memory:/user.slice/user-0.slice/session-1.scope\n"
                       "3:cpu,cpuacct:/user.slice\n"
                       "1:name=systemd:/user.slice/user-0.slice/session-1.scope\n"
                       "0::/user.slice/user-0.slice/session-1.scope\n",
        .mountinfo = "30 29 0:26 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate\n"
                     "31 29 0:27 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd\n"
                     "34 29 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
                     "35 29 0:31 / /sys/fs/cgroup/memory rw shared:16 - cgroup cgroup rw,memory\n"
                     "36 29 0:32 / /sys/fs/cgroup/pids rw shared:17 - cgroup cgroup rw,pids\n",
        .directories = { "/sys/fs/cgroup/memory/user.slice/user-0.slice/session-1.scope",
                         "/sys/fs/cgroup/cpu,cpuacct/user.slice",
                         "/sys/fs/cgroup/pids/user.slice/user-0.slice/session-1.scope",
                         "/sys/fs/cgroup/unified/user.slice/user-0.slice/session-1.scope" },
        .unified_accounting = true,
    },
    {
        .name = "pure v2 with systemd",
        .self_cgroup = "0::/system.slice/codecell.service\n",
        .mountinfo = "24 1 253:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
                     "29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 "
                     "rw,nsdelegate,memory_recursiveprot\n",
        .pure_v2 = true,
        .directories = { "/sys/fs/cgroup/system.slice/codecell.service", "/sys/fs/cgroup/system.slice/codecell.service",
                         "/sys/fs/cgroup/system.slice/codecell.service",
                         "/sys/fs/cgroup/system.slice/codecell.service" },
        .unified_accounting = true,
    },
    {
        .name = "docker on v1 without a cgroup namespace",
        .self_cgroup = "11:memory:/docker/4f1c\n"
                       "8:pids:/docker/4f1c\n"
                       "3:cpu,cpuacct:/docker/4f1c\n"
                       "0::/system.slice/containerd.service\n",
        .mountinfo =
            "700 699 0:60 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
            "710 700 0:30 /docker/4f1c /sys/fs/cgroup/cpu,cpuacct ro master:15 - cgroup cgroup rw,cpu,cpuacct\n"
            "711 700 0:31 /docker/4f1c /sys/fs/cgroup/memory ro master:16 - cgroup cgroup rw,memory\n"
            "712 700 0:32 /docker/4f1c /sys/fs/cgroup/pids ro master:17 - cgroup cgroup rw,pids\n",
        .directories = { "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/pids",
                         "/sys/fs/cgroup/cpu,cpuacct" },
    },
    {
        .name = "docker on v1 with a cgroup namespace",
        .self_cgroup = "11:memory:/\n8:pids:/\n3:cpu,cpuacct:/\n0::/\n",
        .mountinfo = "710 700 0:30 / /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
                     "711 700 0:31 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
                     "712 700 0:32 / /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n",
        .directories = { "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/pids",
                         "/sys/fs/cgroup/cpu,cpuacct" },
    },
    {
        .name = "docker on v2",
        .self_cgroup = "0::/\n",
        .mountinfo = "620 610 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n",
        .pure_v2 = true,
        .directories = { "/sys/fs/cgroup", "/sys/fs/cgroup", "/sys/fs/cgroup", "/sys/fs/cgroup" },
        .unified_accounting = true,
    },
    {
        .name = "docker on v2 without a cgroup namespace",
        .self_cgroup = "0::/system.slice/docker-4f1c.scope\n",
        .mountinfo = "620 610 0:27 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n",
        .pure_v2 = true,
        .directories = { "/sys/fs/cgroup/system.slice/docker-4f1c.scope",
                         "/sys/fs/cgroup/system.slice/docker-4f1c.scope",
                         "/sys/fs/cgroup/system.slice/docker-4f1c.scope",
                         "/sys/fs/cgroup/system.slice/docker-4f1c.scope" },
        .unified_accounting = true,
    },
    {
        .name = "kubernetes on v1, in a group below the container's",
        .self_cgroup = "9:memory:/kubepods/burstable/pod1/abc/server\n"
                       "6:pids:/kubepods/burstable/pod1/abc\n"
                       "2:cpuacct,cpu:/kubepods/burstable/pod1/abc\n",
        .mountinfo = "1 0 0:30 /kubepods/burstable/pod1/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpuacct,cpu\n"
                     "2 0 0:31 /kubepods/burstable/pod1/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
                     "3 0 0:32 /kubepods/burstable/pod1/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n",
        .directories = { "/sys/fs/cgroup/memory/server", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/pids",
                         "/sys/fs/cgroup/cpu" },
    },
    {
        .name = "memory alone in a group, as in some small virtual machines",
        .self_cgroup = "9:name=systemd:/\n8:pids:/\n4:memory:/process_api/x\n2:cpuacct:/\n1:cpu:/\n0::/\n",
        .mountinfo = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
                     "33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n"
                     "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
                     "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
                     "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
                     "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
        .directories = { "/sys/fs/cgroup/memory/process_api/x", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/pids",
                         "/sys/fs/cgroup/unified" },
        .unified_accounting = true,
    },
    {
        .name = "a root that is only a prefix by letters",
        .self_cgroup = "3:memory:/docker/abc\n2:cpu:/docker/abc\n1:pids:/docker/abc\n",
        .mountinfo = "1 0 0:30 /docker/ab /c/memory ro - cgroup cgroup rw,memory\n"
                     "2 0 0:31 /docker/abc /c/cpu ro - cgroup cgroup rw,cpu\n"
                     "3 0 0:32 /elsewhere /c/pids ro - cgroup cgroup rw,pids\n",
        .directories = { "/c/memory", "/c/cpu", "/c/pids", NULL },
    },
    {
        .name = "a group outside the cgroup namespace",
        .self_cgroup = "0::/../../outside\n",
        .mountinfo = "620 610 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
        .pure_v2 = true,
        .directories = { "/sys/fs/cgroup", "/sys/fs/cgroup", "/sys/fs/cgroup", "/sys/fs/cgroup" },
        .unified_accounting = true,
    },
    {
        .name = "a second mount elsewhere, and one that covers the first",
        .self_cgroup = "0::/a/b\n",
        .mountinfo = "1 0 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
                     "2 0 0:27 / /var/lib/other/cgroup rw - cgroup2 cgroup rw\n"
                     "3 1 0:27 /a /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
        .pure_v2 = true,
        .directories = { "/sys/fs/cgroup/b", "/sys/fs/cgroup/b", "/sys/fs/cgroup/b", "/sys/fs/cgroup/b" },
        .unified_accounting = true,
    },
    {
        .name = "v1 without pids",
        .self_cgroup = "3:memory:/\n2:cpu:/\n",
        .mountinfo = "1 0 0:30 / /c/memory rw - cgroup cgroup rw,memory\n2 0 0:31 / /c/cpu rw - cgroup cgroup rw,cpu\n",
        .missing = "pids",
    },
    { .name = "nothing", .self_cgroup = "", .mountinfo = "", .missing = "memory" },
    {
        .name = "v2 without the caller's group",
        .self_cgroup = "garbage\n:::\n0:\n",
        .mountinfo = "1 0 0:27 / /c rw - cgroup2 cgroup rw\n",
        .missing = "memory",
    },
    {
        .name = "names that only look like controllers",
        .self_cgroup = "3:name=memory:/\n2:cpuset:/\n1:xpids:/\n",
        .mountinfo = "1 0 0:30 / /c/1 rw - cgroup cgroup rw,name=memory\n"
                     "2 0 0:31 / /c/2 rw - cgroup cgroup rw,cpuset\n"
                     "3 0 0:32 / /c/memory rw - ext4 memory rw,memory\n"
                     "broken line - cgroup cgroup rw,memory\n"
                     "4 0 0:33 /\n - cgroup\n",
        .missing = "memory",
    },
};

static void check_host(const struct host *host)
{
    struct cgroup_layout layout;
    char missing[64] = "";
    int r = cgroup_parse(host->self_cgroup, host->mountinfo, &layout, missing, sizeof(missing));

    assert_int_equal(r, host->missing ? -ENOENT : 0);
    if (host->missing) {
        assert_string_equal(missing, host->missing);
        return;
    }
    assert_int_equal(layout.pure_v2, host->pure_v2);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        assert_int_equal(layout.controllers[c].found, host->directories[c] != NULL);
        if (host->directories[c])
            assert_string_equal(layout.controllers[c].directory, host->directories[c]);
        assert_int_equal(layout.controllers[c].unified,
                         c == CGROUP_ACCOUNTING ? host->unified_accounting : host->pure_v2);
    }
}

static void every_kind_of_host_is_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        print_message("%s\n", hosts[i].name);
        check_host(&hosts[i]);
    }
}

static void paths_that_do_not_fit_are_left_out(void **state)
{
    char self_cgroup[1200], mountinfo[1200], path[600], missing[64];
    struct cgroup_layout layout;

    (void)state;
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    snprintf(self_cgroup, sizeof(self_cgroup), "0::%s\n", path);
    assert_int_equal(cgroup_parse(self_cgroup, "1 0 0:27 / /c rw - cgroup2 cgroup rw\n", &layout, missing, 64),
                     -ENOENT);
    snprintf(mountinfo, sizeof(mountinfo), "1 0 0:27 / %s rw - cgroup2 cgroup rw\n", path);
    assert_int_equal(cgroup_parse("0::/\n", mountinfo, &layout, missing, 64), -ENOENT);
    path[400] = '\0';
    snprintf(self_cgroup, sizeof(self_cgroup), "0::%s\n", path);
    snprintf(mountinfo, sizeof(mountinfo), "1 0 0:27 / %s rw - cgroup2 cgroup rw\n", path);
    assert_int_equal(cgroup_parse(self_cgroup, mountinfo, &layout, missing, 64), -ENOENT);
}

static void this_host_is_understood(void **state)
{
    struct cgroup_layout layout;
    char missing[64];
    int r = cgroup_detect("/proc", &layout, missing, sizeof(missing));

    (void)state;
    assert_true(r == 0 || r == -ENOENT);
    for (int c = 0; r == 0 && c < CGROUP_CONTROLLERS; c++)
        if (layout.controllers[c].found)
            assert_int_equal(access(layout.controllers[c].directory, F_OK), 0);
    assert_int_equal(cgroup_detect("/nowhere", &layout, missing, sizeof(missing)), -ENOENT);
}

static void put(const struct scratch *scratch, const char *name, const char *text)
{
    FILE *file = fopen(scratch_path(scratch, name), "we");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *get(const struct scratch *scratch, const char *name)
{
    static char text[64];
    FILE *file = fopen(scratch_path(scratch, name), "re");
    size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

    text[n] = '\0';
    if (file)
        fclose(file);
    return text;
}

/* A slot whose groups are an ordinary directory. */
static struct cgroup_slot fake_slot(const struct scratch *scratch, bool unified)
{
    struct cgroup_slot slot = CGROUP_SLOT_INIT;

    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        slot.dir_fds[c] = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        slot.unified[c] = unified;
    }
    return slot;
}

static void limits_are_written_as_each_version_wants_them(void **state)
{
    static const char *const v2[][2] = {
        { "memory.max", "1048576" }, { "memory.swap.max", "0" }, { "pids.max", "10" }, { "cpu.max", "150000 100000" }
    };
    static const char *const v1[][2] = { { "memory.limit_in_bytes", "1048576" },
                                         { "memory.memsw.limit_in_bytes", "1048576" },
                                         { "pids.max", "10" },
                                         { "cpu.cfs_quota_us", "150000" } };
    const struct cgroup_limits limits = { .memory_bytes = 1 << 20, .processes_max = 10, .cpu_millis = 1500 };
    struct scratch *scratch = *state;

    for (int unified = 0; unified <= 1; unified++) {
        const char *const(*rows)[2] = unified ? v2 : v1;
        struct cgroup_slot slot = fake_slot(scratch, unified);

        for (int i = 0; i < 4; i++)
            put(scratch, rows[i][0], "");
        assert_int_equal(cgroup_slot_limit(&slot, &limits), 0);
        for (int i = 0; i < 4; i++)
            assert_string_equal(get(scratch, rows[i][0]), rows[i][1]);
        /* The same limits again are not written. */
        put(scratch, "pids.max", "");
        assert_int_equal(cgroup_slot_limit(&slot, &limits), 0);
        assert_string_equal(get(scratch, "pids.max"), "");
        cgroup_slot_close(&slot);
    }
}

static void a_limit_that_cannot_be_written_is_told_and_tried_again(void **state)
{
    const struct cgroup_limits limits = { .memory_bytes = 1 << 20, .processes_max = 10, .cpu_millis = 1500 };
    struct scratch *scratch = *state;
    struct cgroup_slot slot = fake_slot(scratch, true);

    put(scratch, "memory.max", "");
    assert_int_equal(cgroup_slot_limit(&slot, &limits), -ENOENT);
    put(scratch, "pids.max", "");
    put(scratch, "cpu.max", "");
    assert_int_equal(cgroup_slot_limit(&slot, &limits), 0);
    assert_string_equal(get(scratch, "pids.max"), "10");
    cgroup_slot_close(&slot);
}

/* What a version's files say before a run and after it, and what is to be told of that. */
static const struct version {
    bool unified;
    struct {
        const char *name, *before, *after;
    } files[4];
    uint32_t oom_kills, process_limit;
} versions[] = {
    {
        true,
        {
            { "memory.events", "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n",
              "low 0\nhigh 0\nmax 9\noom 4\noom_kill 5\noom_group_kill 0\n" },
            { "pids.events", "max 7\n", "max 8\n" },
            { "cpu.stat", "usage_usec 1000\nuser_usec 600\n", "usage_usec 4000\nuser_usec 600\n" },
            { "memory.current", "4096\n", "4096\n" },
        },
        .oom_kills = 2,
        .process_limit = 1,
    },
    {
        false,
        {
            { "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
              "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n" },
            { "pids.events", "max 7\n", "max 9\n" },
            { "cpuacct.usage", "1000000\n", "4000000\n" },
            { "memory.usage_in_bytes", "4096\n", "4096\n" },
        },
        .oom_kills = 1,
        .process_limit = 2,
    },
};

static void figures_are_what_moved_since_the_beginning(void **state)
{
    struct scratch *scratch = *state;

    for (size_t v = 0; v < ARRAY_SIZE(versions); v++) {
        const struct version *version = &versions[v];
        struct cgroup_slot slot = fake_slot(scratch, version->unified);
        struct cgroup_figures figures;

        for (size_t i = 0; i < ARRAY_SIZE(version->files); i++)
            put(scratch, version->files[i].name, version->files[i].before);
        assert_int_equal(cgroup_slot_keep_files(&slot), 0);
        cgroup_slot_begin(&slot);
        for (size_t i = 0; i < ARRAY_SIZE(version->files); i++)
            put(scratch, version->files[i].name, version->files[i].after);
        cgroup_slot_figures(&slot, &figures);
        assert_int_equal(figures.oom_kills, version->oom_kills);
        assert_int_equal(cgroup_slot_kills(&slot), version->oom_kills);
        assert_int_equal(figures.process_limit, version->process_limit);
        assert_int_equal(figures.cpu_us, 3000);
        assert_int_equal(figures.memory_peak_bytes, -1);
        assert_int_equal(cgroup_slot_memory(&slot), 4096);
        cgroup_slot_close(&slot);
    }
}

/* A keeper that could not count would neither brake nor tell what was used, for as long as it lives. */
static void a_file_that_cannot_be_opened_now_is_an_error(void **state)
{
    struct scratch *scratch = *state;
    struct cgroup_slot slot = fake_slot(scratch, true);
    struct rlimit before, few;

    put(scratch, "memory.current", "4096\n");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){ .rlim_cur = (rlim_t)slot.dir_fds[CGROUP_CONTROLLERS - 1] + 1, .rlim_max = before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(cgroup_slot_keep_files(&slot), -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    cgroup_slot_close(&slot);
}

/* Begins a run with now_bytes charged, which comes to peak_bytes. Returns what is told of it. */
static int64_t told_peak(const struct scratch *scratch, struct cgroup_slot *slot, int now_bytes, int peak_bytes)
{
    struct cgroup_figures figures;
    char text[32];

    snprintf(text, sizeof(text), "%d\n", now_bytes);
    put(scratch, "memory.current", text);
    cgroup_slot_begin(slot);
    snprintf(text, sizeof(text), "%d\n", peak_bytes);
    put(scratch, "memory.peak", text);
    cgroup_slot_figures(slot, &figures);
    return figures.memory_peak_bytes;
}

static void what_waits_in_a_slot_is_part_of_its_run(void **state)
{
    struct scratch *scratch = *state;
    struct cgroup_slot slot = fake_slot(scratch, true);

    put(scratch, "memory.peak", "0\n");
    slot.peak_fd = open(scratch_path(scratch, "memory.peak"), O_RDWR | O_CLOEXEC);
    put(scratch, "memory.current", "10000\n");
    assert_int_equal(cgroup_slot_keep_files(&slot), 0);
    cgroup_slot_note_empty(&slot);
    assert_int_equal(told_peak(scratch, &slot, 50000, 60000), 50000);
    /* What an earlier run left, and what went meanwhile, is not. */
    assert_int_equal(told_peak(scratch, &slot, 4000, 60000), 56000);
    cgroup_slot_close(&slot);
}

/* That must not look like four billion kills. */
static void a_counter_that_cannot_be_read_has_not_moved(void **state)
{
    struct scratch *scratch = *state;
    struct cgroup_slot slot = fake_slot(scratch, true);
    struct cgroup_figures figures;

    put(scratch, "memory.events", "oom_kill 3\n");
    put(scratch, "pids.events", "max 7\n");
    assert_int_equal(cgroup_slot_keep_files(&slot), 0);
    cgroup_slot_begin(&slot);
    put(scratch, "memory.events", "");
    put(scratch, "pids.events", "max 6\n");
    cgroup_slot_figures(&slot, &figures);
    assert_int_equal(figures.oom_kills, 0);
    assert_int_equal(cgroup_slot_kills(&slot), 0);
    assert_int_equal(figures.process_limit, 0);
    assert_int_equal(figures.cpu_us, -1);
    assert_true(cgroup_slot_processes(&slot) < 0);
    cgroup_slot_close(&slot);
}

static void a_slot_that_cannot_be_made_leaves_nothing_open(void **state)
{
    struct scratch *scratch = *state;
    struct cgroup_layout layout = { 0 };
    struct cgroup_slot slot = CGROUP_SLOT_INIT;

    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        layout.controllers[c].found = true;
        snprintf(layout.controllers[c].directory, CGROUP_PATH_SIZE, "%s%s", scratch->path, c == 2 ? "/none" : "");
    }
    assert_int_equal(cgroup_slot_open(&layout, 3, &slot), -ENOENT);
    assert_int_equal(slot.dir_fds[0], -1);
    strcpy(layout.controllers[2].directory, scratch->path);
    assert_int_equal(cgroup_slot_open(&layout, 3, &slot), 0);
    assert_int_equal(access(scratch_path(scratch, "slot3"), F_OK), 0);
    cgroup_slot_close(&slot);
    assert_int_equal(cgroup_slot_remove(&layout, 3), 0);
    assert_int_not_equal(access(scratch_path(scratch, "slot3"), F_OK), 0);
}

/* A host with v2 alone, whose groups are below an ordinary directory. */
static struct cgroup_layout unified_layout(const struct scratch *scratch)
{
    struct cgroup_layout layout = { 0 };

    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        layout.controllers[c].found = layout.controllers[c].unified = true;
        strcpy(layout.controllers[c].directory, scratch->path);
    }
    return layout;
}

static void each_cell_has_a_fresh_group(void **state)
{
    struct scratch *scratch = *state;
    const struct cgroup_layout layout = unified_layout(scratch);
    struct cgroup_slot slot = CGROUP_SLOT_INIT;

    assert_int_equal(cgroup_slot_open(&layout, 3, &slot), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cgroup_slot_renew(&slot), 0);
        assert_true(slot.cell_fd >= 0);
        assert_int_equal(mkdirat(slot.cell_fd, "of-the-program", 0755), 0);
        assert_int_equal(unlinkat(slot.cell_fd, "of-the-program", AT_REMOVEDIR), 0);
    }
    cgroup_slot_close(&slot);
    assert_int_equal(slot.cell_fd, -1);
    assert_int_equal(cgroup_slot_remove(&layout, 3), 0);
    assert_int_not_equal(access(scratch_path(scratch, "slot3"), F_OK), 0);
}

/* Written into the cell's group, as the kernel makes them. */
static void make_freezer(const struct cgroup_slot *slot)
{
    static const char *const files[][2] = { { "cgroup.freeze", "-" }, { "cgroup.events", "populated 1\nfrozen 1\n" } };

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        CLEANUP_CLOSE int fd = openat(slot->cell_fd, files[i][0], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        assert_int_equal(write(fd, files[i][1], strlen(files[i][1])), strlen(files[i][1]));
    }
}

/* Each has its own freezer: a descriptor of the last one's would stop nobody. */
static void the_freezer_is_of_the_group_that_is_there(void **state)
{
    struct scratch *scratch = *state;
    const struct cgroup_layout layout = unified_layout(scratch);
    struct cgroup_slot slot = CGROUP_SLOT_INIT;

    assert_int_equal(cgroup_slot_open(&layout, 3, &slot), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cgroup_slot_renew(&slot), 0);
        assert_int_equal(slot.rest_fds[CGROUP_REST_FREEZE], -1);
        make_freezer(&slot);
        assert_int_equal(cgroup_slot_rest(&slot, true), 0);
        assert_string_equal(get(scratch, "slot3/cell/cgroup.freeze"), "1");
        assert_int_equal(cgroup_slot_rest(&slot, false), 0);
        assert_string_equal(get(scratch, "slot3/cell/cgroup.freeze"), "0");
        assert_int_equal(unlink(scratch_path(scratch, "slot3/cell/cgroup.freeze")), 0);
        assert_int_equal(unlink(scratch_path(scratch, "slot3/cell/cgroup.events")), 0);
    }
    cgroup_slot_close(&slot);
    assert_int_equal(cgroup_slot_remove(&layout, 3), 0);
}

static void only_v2_has_groups_for_cells(void **state)
{
    struct cgroup_slot slot = fake_slot(*state, false);

    assert_int_equal(cgroup_slot_renew(&slot), 0);
    assert_int_equal(slot.cell_fd, -1);
    cgroup_slot_close(&slot);
}

static void a_group_without_controllers_offers_no_limits(void **state)
{
    struct scratch *scratch = *state;
    struct cgroup_layout layout = { .pure_v2 = true };

    strcpy(layout.controllers[CGROUP_MEMORY].directory, scratch->path);
    strcpy(layout.controllers[CGROUP_MEMORY].mount, "/nowhere");
    assert_false(cgroup_offers_limits(&layout));
    put(scratch, "cgroup.controllers", "cpuset memory pids\n");
    assert_false(cgroup_offers_limits(&layout));
    put(scratch, "cgroup.controllers", "cpuset cpu memory pids\n");
    assert_true(cgroup_offers_limits(&layout));
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_host_is_understood),
        cmocka_unit_test(paths_that_do_not_fit_are_left_out),
        cmocka_unit_test(this_host_is_understood),
        WITH_SCRATCH(limits_are_written_as_each_version_wants_them),
        WITH_SCRATCH(a_limit_that_cannot_be_written_is_told_and_tried_again),
        WITH_SCRATCH(figures_are_what_moved_since_the_beginning),
        WITH_SCRATCH(a_file_that_cannot_be_opened_now_is_an_error),
        WITH_SCRATCH(what_waits_in_a_slot_is_part_of_its_run),
        WITH_SCRATCH(a_counter_that_cannot_be_read_has_not_moved),
        WITH_SCRATCH(a_slot_that_cannot_be_made_leaves_nothing_open),
        WITH_SCRATCH(each_cell_has_a_fresh_group),
        WITH_SCRATCH(the_freezer_is_of_the_group_that_is_there),
        WITH_SCRATCH(only_v2_has_groups_for_cells),
        WITH_SCRATCH(a_group_without_controllers_offers_no_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
