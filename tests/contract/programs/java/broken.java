public class Code {
    public static void main(String[] args) {
        int x = "text";
    }
}
