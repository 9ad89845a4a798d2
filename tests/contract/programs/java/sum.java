import java.util.stream.IntStream;

public class Code {
    public static void main(String[] args) {
        System.out.println(IntStream.rangeClosed(1, 10).sum());
    }
}
