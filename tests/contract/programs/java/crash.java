public class Code {
    public static void main(String[] args) {
        System.out.println("printed before the crash");
        throw new IllegalStateException("on purpose");
    }
}
