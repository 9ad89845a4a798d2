inline int value()
{
    return 40;
}
