public class Code {
    public static void main(String[] args) {
        System.out.println("imported " + (Helper.value() + part.Part.VALUE));
    }
}
