import std.stdio;

void main()
{
    writeln("世界");
}
