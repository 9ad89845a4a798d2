public class Code {
    public static void main(String[] args) throws Exception {
        System.out.println(System.in.read() < 0 ? "eof" : "data");
    }
}
