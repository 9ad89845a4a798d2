/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include <errno.h>

#include "store/digest.h"

/* FIPS 180-2, appendix B, and the empty message. */
static const struct {
    const char *text, *hex;
} vectors[] = {
    { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void known_digests(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char hex[DIGEST_HEX_SIZE];

        digest_bytes_hex(vectors[i].text, strlen(vectors[i].text), hex);
        assert_string_equal(hex, vectors[i].hex);
    }
}

static void pieces_equal_the_whole(void **state)
{
    struct digest digest;
    char hex[DIGEST_HEX_SIZE];

    (void)state;
    for (int round = 0; round < 2; round++) {
        digest_init(&digest);
        digest_update(&digest, NULL, 0);
        digest_update(&digest, "a", 1);
        digest_update(&digest, "bc", 2);
        digest_finish_hex(&digest, hex);
        assert_string_equal(hex, vectors[1].hex);
    }
}

static void a_file_is_read_from_its_start(void **state)
{
    int fd = open(scratch_path(*state, "file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char hex[DIGEST_HEX_SIZE];
    int64_t size = -1;

    assert_int_equal(write(fd, "abc", 3), 3);
    assert_int_equal(digest_file_hex(fd, hex, &size), 0);
    assert_string_equal(hex, vectors[1].hex);
    assert_int_equal(size, 3);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 3);
    close(fd);
    assert_int_equal(digest_file_hex(fd, hex, &size), -EBADF);
}

static void only_digests_are_safe_names(void **state)
{
    char text[80];

    (void)state;
    assert_true(digest_is_hex(vectors[0].hex));
    assert_false(digest_is_hex(""));
    snprintf(text, sizeof(text), "%s0", vectors[0].hex);
    assert_false(digest_is_hex(text));
    snprintf(text, sizeof(text), "%s", vectors[0].hex);
    text[10] = '/';
    assert_false(digest_is_hex(text));
    text[10] = 'A';
    assert_false(digest_is_hex(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests),
        cmocka_unit_test(pieces_equal_the_whole),
        cmocka_unit_test_setup_teardown(a_file_is_read_from_its_start, scratch_setup, scratch_teardown),
        cmocka_unit_test(only_digests_are_safe_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
