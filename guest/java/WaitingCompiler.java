// SPDX-License-Identifier: Apache-2.0
// WaitingCompiler.java -- the Java compiler in a JVM that is started before its program is known (src/cell/runtime.h): it compiles
// something, waits, and then does what `javac` would do for the program. Compiled by tools/prepare. Nothing here is a wall.

import com.sun.tools.javac.Main;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;

final class WaitingCompiler {
    // What most programs make the compiler do. It compiles the next one in a fifth of the time.
    private static final String REHEARSAL = """
            import java.util.*;
            import java.util.stream.*;

            public class Rehearsal {
                record Point(int x, int y) {}

                interface Shape { double area(); }

                static class Square implements Shape {
                    private final double side;
                    Square(double side) { this.side = side; }
                    @Override public double area() { return side * side; }
                }

                static int sum(int[] numbers) {
                    int total = 0;
                    for (int i = 0; i < numbers.length; i++) if (numbers[i] > 0) total += numbers[i];
                    return total;
                }

                public static void main(String[] args) throws Exception {
                    Map<String, List<Integer>> table = new HashMap<>();
                    table.computeIfAbsent("a", key -> new ArrayList<>()).add(sum(new int[] {1, 2, 3}));
                    for (Map.Entry<String, List<Integer>> entry : table.entrySet())
                        System.out.println(entry.getKey() + ": " + entry.getValue());
                    System.out.printf("%d %.2f%n", new Point(1, 2).x(), new Square(2).area());
                    System.out.println(IntStream.range(0, 3).boxed().map(String::valueOf).collect(Collectors.joining(",")));
                    try {
                        throw new IllegalStateException("x");
                    } catch (RuntimeException error) {
                        System.err.println(error.getMessage());
                    }
                }
            }
            """;

    private static final int COMMAND_WORDS = 2; // of the shell and its script, before the compiler's own arguments

    private WaitingCompiler() {}

    /** Waits to be told what to compile. Returns the arguments of the step, each with a NUL at its end. */
    private static native byte[] await();

    private static void delete(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            try (Stream<Path> entries = Files.list(path)) {
                for (Path entry : (Iterable<Path>) entries::iterator) delete(entry);
            }
        }
        Files.delete(path);
    }

    private static void rehearse() throws IOException {
        Path directory = Files.createTempDirectory("rehearsal");
        Path source = directory.resolve("Rehearsal.java");
        Files.writeString(source, REHEARSAL);
        String where = directory.toString();
        String[] arguments = {
            "-nowarn", "-Xprefer:source", "-proc:none", "-XDsuppressNotes", "-encoding", "UTF-8", "-d", where + "/classes",
            "-cp", where + "/classes:" + where + ":" + where + "/*", "-sourcepath", where, source.toString(),
        };
        Main.compile(arguments, new PrintWriter(Writer.nullWriter()));
        delete(directory);
    }

    public static void main(String[] none) throws IOException {
        System.load("/opt/codecell/zygote.so");
        rehearse();
        String[] command = new String(await(), StandardCharsets.UTF_8).split("\0");
        int status = Main.compile(Arrays.copyOfRange(command, COMMAND_WORDS, command.length));
        System.out.flush();
        System.err.flush();
        Runtime.getRuntime().halt(status);
    }
}
