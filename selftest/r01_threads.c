/* SPDX-License-Identifier: Apache-2.0 */
static void *idle(void *p)
{
    (void)p;
    pause();
    return NULL;
}

int main(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    long made = 0;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    while (made < 20000 && pthread_create(&thread, &attributes, idle, NULL) == 0)
        made++;
    printf("%ld\n", made);
    return made < 20000 ? 7 : 0;
}
