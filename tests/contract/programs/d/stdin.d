import std.stdio;

void main()
{
    writeln(readln() is null ? "eof" : "data");
}
