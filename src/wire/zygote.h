/* SPDX-License-Identifier: Apache-2.0 */
/* zygote.h -- what keepers, zygotes and their copies say to each other.
 *
 * A zygote is an interpreter that has its libraries loaded. Asked by a slot's keeper it makes a copy of itself as a
 * process of that slot's armed cell, child of the cell's init. The copy puts up its walls, says that it is ready, and
 * waits to be told by the init which step of the packed program it is to be.
 *
 *   zygote socket   shared by all keepers of a server and by every zygote that follows another. Keeper -> zygote:
 *                   struct zygote_order. Zygote -> warden: ZYGOTE_READY, once it takes orders.
 *   copy socket     made by the keeper for each copy. Copy -> keeper: struct zygote_copy_ready. The keeper's end goes
 * to the init with the program; init -> copy: struct zygote_start. Its end of file ends a waiting copy.
 *                   A copy that rests says so with another struct zygote_copy_ready; the keeper, which has kept its
 *                   end, answers with another struct zygote_start, or with the end of file. The copy says that it has
 *                   taken that with a third struct zygote_copy_ready. One that has not left its state yet says that
 *                   too; the keeper may tell it to, and then it rests again. */
#pragma once

#include <stdint.h>

#define ZYGOTE_READY "zygote ready"

/* Descriptors a zygote is started with. */
#define ZYGOTE_SOCKET_FD 3
/* The filter of system calls that its copies add to its own: an array of struct sock_filter in sealed memory. */
#define ZYGOTE_FILTER_FD 4

/* Descriptors of struct zygote_order, in this order; behind them n_doors of the slot's groups. */
enum zygote_order_fd {
    ZYGOTE_ORDER_SOCKET, /* the copy's end of its socket */
    ZYGOTE_ORDER_PID,    /* the cell's namespaces */
    ZYGOTE_ORDER_MOUNT,
    ZYGOTE_ORDER_NETWORK,
    ZYGOTE_ORDER_IPC,
    ZYGOTE_ORDER_UTS,
    ZYGOTE_ORDER_USER,
    ZYGOTE_ORDER_FDS,
};

#define ZYGOTE_DOORS_MAX 4

struct zygote_order {
    uint32_t inside_uid; /* SANDBOX_UID */
    uint32_t n_doors;    /* v1: files "tasks", open for writing */
    uint32_t clone_into; /* 1 = behind the doors comes the directory of a v2 group to be cloned into */
};

struct zygote_copy_ready {
    int32_t pid;      /* in the cell */
    uint32_t unsaved; /* of one that rests: 1 = its state is yet to be left */
};

/* Descriptors of struct zygote_start, in this order, which is that of enum cell_fd. */
enum zygote_start_fd {
    ZYGOTE_START_PROGRAM, /* packed program */
    ZYGOTE_START_STDIN,
    ZYGOTE_START_STDOUT,
    ZYGOTE_START_STDERR,
    ZYGOTE_START_FDS,
    ZYGOTE_START_TOOLS = ZYGOTE_START_FDS, /* becomes descriptor 3; absent in most programs */
    ZYGOTE_START_FDS_MAX,
};

struct zygote_start {
    uint64_t file_bytes_max; /* RLIMIT_FSIZE */
    uint32_t step;           /* index of the program's step that the copy is */
    uint32_t rests;          /* 1 = it keeps its socket, and may wait there again when its program has ended well */
    uint32_t saves;          /* 1 = there is no program: leave the state, and rest again. Without descriptors */
    uint32_t reserved;
};
