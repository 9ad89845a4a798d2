import std.stdio, std.algorithm, std.range;

void main()
{
    writeln(iota(1, 11).sum);
}
