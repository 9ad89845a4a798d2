import java.util.*;

public final class Main {
    public static class Inner { }

    public static void main(String[] args) {
        System.out.println(new Main().getClass().getName());
    }
}
