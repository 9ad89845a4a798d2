// SPDX-License-Identifier: Apache-2.0
// Sample.java -- compiled once by tools/prepare: what the compiler loads for it goes into its class archive, so it uses most
// of the language. It is never run.
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.*;
import java.util.function.Function;
import java.util.stream.*;

public class Sample {
    sealed interface Shape permits Circle, Square {}

    record Circle(double radius) implements Shape {}

    record Square(double side) implements Shape {}

    enum Color {
        RED,
        GREEN {
            @Override
            int weight() {
                return 2;
            }
        };

        int weight() {
            return 1;
        }
    }

    abstract static class Base<T extends Comparable<T>> {
        abstract T value();

        @Override
        public String toString() {
            return "Base " + value();
        }
    }

    private static final Map<String, List<Integer>> TABLE = new TreeMap<>();

    static <T> List<T> twice(List<? extends T> list) {
        List<T> result = new ArrayList<>(list);
        result.addAll(list);
        return result;
    }

    static double area(Shape shape) {
        if (shape instanceof Circle circle) return Math.PI * circle.radius() * circle.radius();
        return Math.pow(((Square) shape).side(), 2);
    }

    static int code(String text) {
        switch (text.length()) {
            case 0:
                return -1;
            default:
                break;
        }
        return switch (text) {
            case "a", "b" -> 1;
            default -> {
                int sum = 0;
                for (char c : text.toCharArray()) sum += c;
                yield sum;
            }
        };
    }

    static int sum(int... numbers) throws IOException {
        int total = 0;
        outer:
        for (int i = 0; i < numbers.length; i++) {
            do {
                if (numbers[i] < 0) continue outer;
                total += numbers[i] > 9 ? 9 : numbers[i];
            } while (total < 0);
        }
        if (total == 0) throw new IOException("nothing");
        return total;
    }

    public static void main(String[] args) throws Exception {
        StringBuilder line = new StringBuilder();
        Scanner scanner = new Scanner(System.in);
        while (scanner.hasNextInt()) line.append(scanner.nextInt()).append('\n');
        try (BufferedReader reader = new BufferedReader(new InputStreamReader(System.in))) {
            reader.lines().forEach(System.out::println);
        } catch (IOException | IllegalStateException error) {
            System.err.println(error.getMessage());
        } finally {
            line.setLength(0);
        }
        TABLE.computeIfAbsent("key", key -> new LinkedList<>()).add(sum(1, 2, 3));
        Function<Integer, Integer> next = n -> n + 1;
        Runnable task = () -> System.out.println(next.apply(TABLE.size()));
        Thread thread = new Thread(task);
        thread.start();
        thread.join();
        var base = new Base<Integer>() {
            Integer value() {
                return 1;
            }
        };
        synchronized (base) {
            assert base.value() > 0 : "positive";
        }
        String text = """
            block
            """;
        System.out.println(IntStream.range(0, 10).boxed().collect(Collectors.groupingBy(i -> i % 2, Collectors.counting())));
        System.out.printf("%s %.2f %d%n", text + base, area(new Circle(1)), code("a") + Color.GREEN.weight());
        System.out.println(Optional.of(twice(List.of(1, 2))).map(Object::toString).orElse("none"));
    }
}
