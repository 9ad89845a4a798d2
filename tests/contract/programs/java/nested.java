import java.nio.file.*;

public class Code {
    public static void main(String[] args) throws Exception {
        byte[] bytes = new byte[256];
        for (int i = 0; i < 256; i++)
            bytes[i] = (byte) i;
        Files.createDirectories(Path.of("out/deep"));
        Files.write(Path.of("out/deep/bytes.bin"), bytes);
    }
}
