public class Helper {
    public static int value() {
        return 40;
    }
}
