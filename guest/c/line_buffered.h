/* SPDX-License-Identifier: Apache-2.0 */
/* Included ahead of every C and C++ program: stdout is line-buffered although it is a pipe, so that what was printed
 * before a crash, a time limit or a memory limit is delivered. The names cannot meet any of the program's. */
#ifdef __cplusplus
extern "C" {
#endif
extern struct _IO_FILE *codecell_stdout_ __asm__("stdout");
extern int codecell_setvbuf_(struct _IO_FILE *, char *, int, unsigned long) __asm__("setvbuf");
static void __attribute__((constructor(101))) codecell_line_buffered_(void)
{
    codecell_setvbuf_(codecell_stdout_, (char *)0, 1 /* _IOLBF */, 0);
}
#ifdef __cplusplus
}
#endif
