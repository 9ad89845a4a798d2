module helper;

int value()
{
    return 40;
}
