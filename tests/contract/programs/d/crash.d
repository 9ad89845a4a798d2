import std.stdio;

void main()
{
    int* nowhere;
    writeln("printed before the crash");
    *nowhere = 1;
}
