import java.nio.file.*;

public class Code {
    public static void main(String[] args) throws Exception {
        for (String path : new String[] { "x", "/mnt/data/x" })
            System.out.println(Files.readString(Path.of(path)));
    }
}
