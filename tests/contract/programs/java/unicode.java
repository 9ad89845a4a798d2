public class Code {
    public static void main(String[] args) {
        System.out.println("世界");
    }
}
