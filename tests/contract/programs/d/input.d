import std.file, std.stdio;

void main()
{
    foreach (path; ["x", "/mnt/data/x"])
        writeln(readText(path));
}
