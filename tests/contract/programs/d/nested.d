import std.file;

void main()
{
    ubyte[256] bytes;
    foreach (i, ref b; bytes)
        b = cast(ubyte) i;
    mkdirRecurse("out/deep");
    write("out/deep/bytes.bin", bytes[]);
}
