// SPDX-License-Identifier: Apache-2.0
// WaitingCompiler.java -- the Java compiler in a JVM that is started before its program is known (src/cell/runtime.h): it compiles
// something, waits, and then does what `javac` would do for the program. Compiled by tools/prepare. Nothing here is a wall.

import com.sun.tools.javac.Main;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

final class WaitingCompiler {
    // What every program makes the compiler do. It compiles the next one in a fifth of the time.
    private static final String FIRST_REHEARSAL = """
            public class Rehearsal {
                public static void main(String[] args) {
                    System.out.println("hello");
                }
            }
            """;

    // What most programs make it do besides, in pieces: a program that comes meanwhile waits for the rest of one.
    private static final String[] REHEARSALS = {
        """
            import java.util.*;

            public class Rehearsal {
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
                    System.out.println("sum: " + sum(new int[] {1, 2, 3}) + new Square(2).area());
                    try {
                        throw new IllegalStateException("x");
                    } catch (RuntimeException error) {
                        System.err.println(error.getMessage());
                    }
                }
            }
            """,
        """
            import java.util.*;

            public class Rehearsal {
                record Point(int x, int y) {}

                public static void main(String[] args) {
                    Map<String, List<Integer>> table = new HashMap<>();
                    table.computeIfAbsent("a", key -> new ArrayList<>()).add(1);
                    for (Map.Entry<String, List<Integer>> entry : table.entrySet())
                        System.out.println(entry.getKey() + ": " + entry.getValue());
                    System.out.printf("%d %.2f%n", new Point(1, 2).x(), 2.5);
                }
            }
            """,
        """
            import java.util.stream.*;

            public class Rehearsal {
                public static void main(String[] args) {
                    System.out.println(IntStream.range(0, 3).boxed().map(String::valueOf).collect(Collectors.joining(",")));
                }
            }
            """,
    };

    // On a busy server the next compiler is worth more than one that knows more.
    private static final int AT_REST_MS = 1000;

    private static final int COMMAND_WORDS = 2; // of the shell and its script, before the compiler's own arguments

    private WaitingCompiler() {}

    /** Waits to be told what to compile. Returns the arguments of the step, each with a NUL at its end. */
    private static native byte[] await();

    /** Says once that it is ready, and waits for at most so long. True if await() would not wait. */
    private static native boolean isAwaited(int timeoutMs);

    private static void delete(File file) {
        File[] entries = file.listFiles();
        if (entries != null) for (File entry : entries) delete(entry);
        file.delete();
    }

    private static void rehearse(String program, String directory) throws IOException {
        String source = directory + "/Rehearsal.java";
        new File(directory).mkdir();
        try (FileOutputStream file = new FileOutputStream(source)) {
            file.write(program.getBytes(StandardCharsets.UTF_8));
        }
        String[] arguments = {
            "-nowarn", "-Xprefer:source", "-proc:none", "-XDsuppressNotes", "-encoding", "UTF-8", "-d", directory + "/classes",
            "-cp", directory + "/classes:" + directory + ":" + directory + "/*", "-sourcepath", directory, source,
        };
        Main.compile(arguments, new PrintWriter(Writer.nullWriter()));
        delete(new File(directory));
    }

    private static void leave(int status) {
        System.out.flush();
        System.err.flush();
        Runtime.getRuntime().halt(status);
    }

    /** With arguments (tools/prepare): does the same without waiting. They are a directory to be made, and the compiler's. */
    private static void prepare(String[] given) throws IOException {
        rehearse(FIRST_REHEARSAL, given[0]);
        for (String program : REHEARSALS) rehearse(program, given[0]);
        leave(Main.compile(Arrays.copyOfRange(given, 1, given.length)));
    }

    public static void main(String[] given) throws IOException {
        if (given.length > 0) prepare(given);
        System.load("/opt/codecell/zygote.so");
        rehearse(FIRST_REHEARSAL, "/tmp/rehearsal");
        boolean awaited = isAwaited(AT_REST_MS);
        for (int i = 0; i < REHEARSALS.length && !awaited; i++) {
            rehearse(REHEARSALS[i], "/tmp/rehearsal");
            awaited = isAwaited(0);
        }
        String[] command = new String(await(), StandardCharsets.UTF_8).split("\0");
        leave(Main.compile(Arrays.copyOfRange(command, COMMAND_WORDS, command.length)));
    }
}
