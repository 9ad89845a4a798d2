import java.util.*; import static java.util.List.of; @SuppressWarnings("unchecked") public class Main {
    public static void main(String[] args) {
        System.out.println(Main.class.getName() + " " + new ArrayList<>(of(1, 2)));
    }
}
