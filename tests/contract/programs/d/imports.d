import helper, pack.part, std.conv, std.stdio, std.string;

void main()
{
    writeln("imported ", value() + MORE + import("zero.txt").strip.to!int);
}
